//! The rules as scripts. Each test names the rule it is about; how to read a script stands in `scenario/mod.rs`.

#[path = "../mirror/mod.rs"]
mod mirror;
#[path = "../scenario/mod.rs"]
mod scenario;

mod bounds;
mod file;
mod measure;
mod pages;
mod rule_13;
mod rule_14;
mod rule_15;
mod rules_01_to_03;
mod rules_04_to_05;
mod rules_06_to_08;
mod rules_09_to_10;
mod rules_11_to_12;
mod rules_16_to_18;
