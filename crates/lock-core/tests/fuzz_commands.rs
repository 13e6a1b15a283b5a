//! The body of the fuzz target `commands` on some thousand random inputs, the same ones each time.

#[path = "../../../fuzz/bodies/commands/mod.rs"]
mod commands;

/// Numbers that only look random (xorshift64*), so that a failure can be repeated from its seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

#[test]
fn any_sequence_of_commands_leaves_the_rules_whole() {
    for seed in 1..=2000_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let steps = 1 + usize::from(numbers.next()) / 2;
        let data: Vec<u8> = (0..steps * commands::STEP_BYTES).map(|_| numbers.next()).collect();
        let run = std::panic::catch_unwind(|| commands::fuzz_commands(&data));
        assert!(run.is_ok(), "seed {seed} fails, see above");
    }
}

#[test]
fn short_and_monotonous_inputs_are_inputs_too() {
    commands::fuzz_commands(&[]);
    for byte in 0..=255 {
        for length in [1, 7, 24, 100, 2000] {
            commands::fuzz_commands(&vec![byte; length]);
        }
    }
}
