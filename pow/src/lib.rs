//! The C function `pow`, the only one that the program would load the system's `libm` for: the SDK's rate limiter takes
//! a cube root by it. Loading `libm` costs each start 25 page faults and 0.4 MB of memory.

#![no_std]

/// `base` to the power of `exponent`, as C has it.
#[expect(unsafe_code, reason = "only this crate has a `pow` with a C name")]
#[unsafe(no_mangle)]
pub extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

#[cfg(test)]
mod tests {
    use super::pow;

    #[test]
    fn a_power_is_what_c_says() {
        for (base, exponent, power) in [(2.0, 10.0, 1024.0), (27.0, 1.0 / 3.0, 3.0), (4.0, -0.5, 0.5), (0.0, 0.0, 1.0)]
        {
            let off = pow(base, exponent) - power;
            assert!(off.abs() < 1e-12, "{base} to the power of {exponent} is off by {off}");
        }
        assert!(pow(-1.0, 0.5).is_nan());
    }
}
