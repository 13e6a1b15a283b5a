// The annotation with which generated classes say so. The JDK has had none of this name since version 11.

package javax.annotation;

public @interface Generated {
    String[] value();

    String date() default "";

    String comments() default "";
}
