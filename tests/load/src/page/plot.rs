//! One plot, as SVG.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;
const COLOURS: usize = 4;
/// More dots than this say no more, and make a browser slow.
const DOTS: usize = 3_000;

/// Several lines in one frame.
pub(super) struct Plot {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) is_logarithmic: bool,
    pub(super) lines: Vec<Line>,
}

pub(super) struct Line {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) points: Vec<(f64, f64)>,
    /// Each point for itself.
    pub(super) is_dotted: bool,
}

/// From the values of an axis to places on it.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Plot {
    pub(super) fn svg(&self) -> String {
        let (x, y) = self.axes();
        let (id, title) = (escape(&self.id), escape(&self.title));
        let mut svg = format!(
            "<figure>\n<figcaption>{title}</figcaption>\n\
             <svg id=\"{id}\" class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n"
        );
        // A string takes whatever is written to it.
        for tick in y.ticks() {
            let place = y.place(tick);
            let (end, text) = (WIDTH - RIGHT, LEFT - 6.0);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{place:.1}\" y2=\"{place:.1}\"/>"
            );
            let _ = writeln!(
                svg,
                "<text x=\"{text}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                place + 4.0
            );
        }
        for tick in x.ticks() {
            let (place, below) = (x.place(tick), HEIGHT - BOTTOM + 16.0);
            let _ = writeln!(
                svg,
                "<text x=\"{place:.1}\" y=\"{below}\" text-anchor=\"middle\">{tick}</text>"
            );
        }
        let (middle, bottom) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0);
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{bottom}\" text-anchor=\"middle\">{}</text>",
            self.x
        );
        let _ = writeln!(svg, "<text x=\"4\" y=\"14\">{}</text>", self.y);
        let mut key = LEFT + 110.0;
        for line in &self.lines {
            line.draw(&mut svg, &x, &y);
            let (name, colour) = (escape(&line.name), line.colour % COLOURS);
            let _ = writeln!(svg, "<circle class=\"f{colour}\" cx=\"{key}\" cy=\"10\" r=\"5\"/>");
            let _ =
                writeln!(svg, "<text class=\"key\" x=\"{}\" y=\"14\">{name}</text>", key + 10.0);
            key += 40.0 + 7.0 * line.name.chars().count() as f64;
        }
        svg.push_str("</svg>\n</figure>\n");
        svg
    }

    fn axes(&self) -> (Axis, Axis) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let right = most(&mut points().map(|point| point.0)).max(1.0);
        let high = most(&mut points().map(|point| point.1)).max(1.0);
        let least = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let (low, high) = if self.is_logarithmic {
            let low = if least.is_finite() { least.max(0.01).log10().floor() } else { 0.0 };
            (10_f64.powf(low), 10_f64.powf(high.log10().ceil().max(low + 1.0)))
        } else {
            (0.0, high * 1.05)
        };
        let x =
            Axis { low: 0.0, high: right, from: LEFT, to: WIDTH - RIGHT, is_logarithmic: false };
        let y =
            Axis { low, high, from: HEIGHT - BOTTOM, to: TOP, is_logarithmic: self.is_logarithmic };
        (x, y)
    }
}

impl Line {
    fn draw(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (name, colour) = (escape(&self.name), self.colour % COLOURS);
        let step = self.points.len().div_ceil(DOTS).max(1);
        let places =
            self.points.iter().step_by(step).map(|point| (x.place(point.0), y.place(point.1)));
        if self.is_dotted {
            let _ = writeln!(svg, "<g class=\"dot f{colour}\" data-name=\"{name}\">");
            for (x, y) in places {
                let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
            }
            svg.push_str("\n</g>\n");
        } else {
            let places: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let places = places.join(" ");
            let _ = writeln!(
                svg,
                "<polyline class=\"line s{colour}\" data-name=\"{name}\" points=\"{places}\"/>"
            );
        }
    }
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            return (low..=high).map(|power| 10_f64.powi(power)).collect();
        }
        // Steps of 1, 2 or 5 and zeros, of which there are about five.
        let rough = (self.high - self.low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let steps = ((self.high - self.low) / step).floor() as u32;
        (0..=steps).map(|at| self.low + f64::from(at) * step).collect()
    }
}
