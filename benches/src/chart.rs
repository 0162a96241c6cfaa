//! The chart: horizontal bars on a logarithmic scale, as SVG.

use std::fmt::Write;

use crate::report::digits;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 56.0;
const ROW: f64 = 30.0;

/// A bar of the chart.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) is_ours: bool,
}

/// Draws bars from top to bottom. `unit` labels the scale.
pub(crate) fn draw(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max).log10().ceil();
    let least = bars.iter().map(|bar| bar.value).fold(f64::MAX, f64::min).min(1.0).log10().floor();
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value.log10() - least) / (most - least);
    #[expect(clippy::cast_precision_loss, reason = "there are only a few rows")]
    let height = TOP + ROW * bars.len() as f64 + 30.0;
    // The background makes the chart readable on dark pages.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    );
    let mut power = least;
    while power <= most {
        let at = x(10_f64.powf(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666666\">{} {unit}</text>",
            height - 26.0,
            height - 10.0,
            10_f64.powf(power)
        );
        power += 1.0;
    }
    let mut y = TOP;
    for bar in bars {
        let (end, middle) = (x(bar.value), y + ROW / 2.0 + 4.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{middle:.1}\" font-weight=\"bold\">{}</text>",
            LEFT - 10.0,
            escape(&bar.name),
            y + 4.0,
            (end - LEFT).max(1.0),
            ROW - 8.0,
            if bar.is_ours { "#d9480f" } else { "#868e96" },
            end + 6.0,
            digits(bar.value),
        );
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_power_of_ten_has_the_same_width() {
        let bar = |value| Bar { name: "a < b".to_owned(), value, is_ours: value < 50.0 };
        let svg = draw("title", "ms", &[bar(1000.0), bar(100.0), bar(10.0)]);
        let widths: Vec<f64> = svg
            .lines()
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .filter(|width| *width > 1.0)
            .collect();
        assert_eq!(widths.len(), 3, "{svg}");
        assert!((widths[0] - 2.0 * widths[1] + widths[2]).abs() < 0.2, "{widths:?}");
        assert!(svg.contains("a &lt; b") && svg.matches("#d9480f").count() == 1);
    }
}
