// Takes, renews, asks and releases, with the client that was made for Java.

import java.util.List;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.DefaultApi;
import org.openapitools.client.model.Acquire;
import org.openapitools.client.model.Renew;
import org.openapitools.client.model.Ticket;
import org.openapitools.client.model.TicketState;

public class Client {
    interface Call {
        void run() throws ApiException;
    }

    static void expect(boolean condition, Object what) {
        if (!condition) throw new AssertionError(what);
    }

    static void refused(int status, String code, Call call) {
        try {
            call.run();
        } catch (ApiException error) {
            expect(error.getCode() == status && error.getResponseBody().contains("\"code\":\"" + code + "\""), error);
            return;
        }
        throw new AssertionError("it is refused");
    }

    public static void main(String[] words) throws ApiException {
        ApiClient client = new ApiClient();
        client.updateBaseUri(words[0]);
        DefaultApi api = new DefaultApi(client);

        Ticket held = api.acquire("three", new Acquire().exclusive(true).ttlS(30.0).waitS(5.0).info("generated"));
        UUID id = held.getId();
        expect(held.getState() == TicketState.HELD && held.getSlots().equals(List.of(0, 1, 2)), held);
        expect(held.getToken() > 1L << 32 && held.getTtlS() == 30.0, held);

        refused(409, "busy", () -> api.acquire("three", new Acquire().permits(2)));
        refused(404, "unknown_lock", () -> api.acquire("nowhere", new Acquire()));

        Ticket renewed = api.renew(id.toString(), new Renew().ttlS(60.0));
        expect(renewed.getTtlS() == 60.0 && renewed.getExpiresAt().isAfter(held.getExpiresAt()), renewed);
        expect(api.ticket(id.toString(), 1.0).getNumber().equals(held.getNumber()), "the same");
        api.verify("three", held.getToken());
        expect(api.lock("three", null, null).getInUse() == 3, "all are in use");

        api.release(id.toString(), null, null);
        expect(api.lock("three", null, null).getInUse() == 0, "nothing is left");
        refused(409, "not_a_holder", () -> api.verify("three", held.getToken()));

        // Several locks in one ticket, which is ended by its request.
        String request = UUID.randomUUID().toString();
        Ticket both = api.acquireAll(new Acquire().requestId(request).putLocksItem("three", 2).putLocksItem("one", 1));
        expect(both.getLocks().size() == 2 && both.getLocks().containsKey("one"), both);
        api.releaseRequestOfAll(request, List.of("three", "one"), null, null);
        expect(api.lock("one", null, null).getInUse() == 0, "nothing is left of both");
        System.out.println("done");
    }
}
