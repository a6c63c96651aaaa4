#include "cli/runtime/report/evaluation_table.h"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

namespace edgeclip::report {

namespace {

template <class Cell>
std::string table_row(const std::string& label, const Cell& cell) {
  std::string row = fmt::format("{:<14}", label);
  for (std::size_t m = 0; m < kMeasures; ++m) row += fmt::format(" {:>7}", cell(m));
  return row + "\n";
}

std::string measures_row(const std::string& label, const RetrievalMetrics& metrics) {
  const Measures values = measures_of(metrics);
  return table_row(label, [&](std::size_t m) { return fmt::format("{:.2f}", values[m]); });
}

/// Two lines, the lower end and the upper one; with a sign where they are differences.
std::string interval_rows(const std::optional<MeasureIntervals>& intervals, bool with_sign) {
  if (!intervals) return {};
  const auto ends = [&](const char* label, double Interval::*end) {
    return table_row(label, [&](std::size_t m) {
      const double value = (*intervals)[m].*end;
      return with_sign ? fmt::format("{:+.2f}", value) : fmt::format("{:.2f}", value);
    });
  };
  return ends("  from", &Interval::low) + ends("  to", &Interval::high);
}

}  // namespace

std::string evaluation_table(const Evaluation& evaluation) {
  std::string text = table_row("", [](std::size_t m) { return kMeasureNames[m]; });
  text.insert(text.size() - 1, "   (percent)");
  const auto& intervals = evaluation.intervals;
  text += measures_row("text to image", evaluation.text_to_image);
  if (intervals) text += interval_rows(intervals->text_to_image, false);
  text += measures_row("image to text", evaluation.image_to_text);
  if (intervals) text += interval_rows(intervals->image_to_text, false);
  text += measures_row("chance", evaluation.chance);
  if (!intervals) return text;
  if (!intervals->text_to_image) return text + "no intervals: the queries are of one person\n";
  return text + fmt::format("from, to: {:.0f} % bootstrap intervals, {} resamplings of the {} people\n",
                            100 * intervals->how.level, intervals->how.resamples, intervals->identities);
}

std::string comparison_table(const Comparison& comparison, const std::string& against) {
  std::string text = fmt::format("\nagainst {}\n", against);
  text += table_row("", [](std::size_t m) { return kMeasureNames[m]; });
  for (const auto& [label, direction] :
       {std::pair<const char*, const DirectionComparison*>{"text to image", &comparison.text_to_image},
        {"image to text", &comparison.image_to_text}}) {
    text +=
        table_row(label, [&, d = direction](std::size_t m) { return fmt::format("{:.2f}", d->against[m]); });
    text += table_row("  difference",
                      [&, d = direction](std::size_t m) { return fmt::format("{:+.2f}", d->difference[m]); });
    text += interval_rows(direction->intervals, true);
    text +=
        table_row("  p", [&, d = direction](std::size_t m) { return fmt::format("{:.4f}", d->test.p[m]); });
  }
  const PairedTest& test = comparison.text_to_image.test;
  return text + fmt::format(
                    "p: two-sided paired permutation test of the differences of {} people ({} {} assignments "
                    "of signs)\n",
                    comparison.identities, test.exact ? "all" : "random", test.permutations);
}

}  // namespace edgeclip::report
