#include "retrieval/evaluate/query_outcome.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/parse_number.h"

namespace edgeclip {
namespace {

const std::vector<std::string> kQueryColumns = {"direction", "number",     "id", "query", "relevant",
                                                "gallery",   "first_rank", "ap", "inp"};
constexpr const char *kTextToImage = "text_to_image", *kImageToText = "image_to_text";

std::size_t longest_results(const std::vector<QueryOutcome>& outcomes) {
  std::size_t most = 0;
  for (const QueryOutcome& outcome : outcomes) most = std::max(most, outcome.results.size());
  return most;
}

void write_outcomes(AtomicFile& file, const char* direction, const std::vector<QueryOutcome>& outcomes,
                    std::size_t results) {
  for (const QueryOutcome& o : outcomes) {
    std::vector<std::string> row = {
        direction,
        std::to_string(o.number),
        std::to_string(o.id),
        o.query,
        std::to_string(o.relevant),
        std::to_string(o.gallery),
        o.metrics.first_rank == 0 ? std::string() : fmt::format("{:.0f}", o.metrics.first_rank),
        fmt::format("{}", o.metrics.ap),
        fmt::format("{}", o.metrics.inp)};
    for (const QueryOutcome::Result& result : o.results) {
      row.push_back(result.item);
      row.push_back(fmt::format("{:.6f}", result.score));
      row.emplace_back(result.right ? "1" : "0");
    }
    row.resize(kQueryColumns.size() + 3 * results);
    file.write(csv_row(row));
  }
}

/// A cell of a record, for messages.
struct CsvCell {
  const std::filesystem::path& path;
  std::size_t record;
  const std::string& column;
  const std::string& text;

  [[noreturn]] void refuse(const char* expected) const {
    invalid_input("{}: record {}: {}: \"{}\" is not {}; take a file that evaluate --csv wrote", path.string(),
                  record, column, text, expected);
  }
  template <class T>
  T number(T low, T high, const char* expected) const {
    const auto value = parse_number<T>(text);
    if (!value || !(*value >= low && *value <= high)) refuse(expected);
    return *value;
  }
};

void require_equal_queries(const char* direction, const std::vector<QueryOutcome>& a,
                           const std::string& first, const std::vector<QueryOutcome>& b,
                           const std::string& second) {
  constexpr const char* kRemedy = "evaluate both on the same split, with the same --people and --relevant";
  if (a.size() != b.size())
    invalid_input("{} and {}: have {} and {} queries {}; {}", first, second, a.size(), b.size(), direction,
                  kRemedy);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const QueryOutcome &x = a[i], &y = b[i];
    const char* what = x.number != y.number || x.query != y.query ? "another query"
                       : x.id != y.id                             ? "another person"
                       : x.gallery != y.gallery                   ? "another size of the gallery"
                       : x.relevant != y.relevant                 ? "another number of right items"
                                                                  : nullptr;
    if (what != nullptr)
      invalid_input("{} and {}: query {} {} has {} in the second; {}", first, second, x.number, direction,
                    what, kRemedy);
  }
}

}  // namespace

void write_query_csv(const std::filesystem::path& path, const QueryOutcomes& outcomes) {
  const std::size_t results =
      std::max(longest_results(outcomes.text_to_image), longest_results(outcomes.image_to_text));
  AtomicFile file(path);
  std::vector<std::string> header = kQueryColumns;
  for (std::size_t k = 1; k <= results; ++k)
    for (const char* column : {"result", "score", "right"}) header.push_back(fmt::format("{}_{}", column, k));
  file.write(csv_row(header));
  write_outcomes(file, kTextToImage, outcomes.text_to_image, results);
  write_outcomes(file, kImageToText, outcomes.image_to_text, results);
  file.commit();
}

QueryOutcomes read_query_csv(const std::filesystem::path& path) {
  const auto rows = read_csv(path);
  const std::size_t columns = kQueryColumns.size();
  if (rows.empty() || rows.front().size() < columns ||
      !std::equal(kQueryColumns.begin(), kQueryColumns.end(), rows.front().begin()))
    invalid_input("{}: does not begin with the columns {}; take a file that evaluate --csv wrote",
                  path.string(), fmt::join(kQueryColumns, ","));
  QueryOutcomes outcomes;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    if (rows[r].size() != rows.front().size())
      invalid_input("{}: record {}: has {} fields, the header {}", path.string(), r, rows[r].size(),
                    rows.front().size());
    const auto cell = [&](std::size_t column) {
      return CsvCell{path, r, kQueryColumns[column], rows[r][column]};
    };
    const auto count = [&](std::size_t column) {
      return cell(column).number<std::int64_t>(0, INT64_MAX, "a number from 0 on");
    };
    QueryOutcome outcome;
    outcome.number = count(1);
    outcome.id = cell(2).number<std::int64_t>(INT64_MIN, INT64_MAX, "an integer");
    outcome.query = rows[r][3];
    outcome.relevant = count(4);
    outcome.gallery = count(5);
    if (!rows[r][6].empty())
      outcome.metrics.first_rank =
          static_cast<double>(cell(6).number<std::int64_t>(1, outcome.gallery, "a rank in the gallery"));
    outcome.metrics.ap = cell(7).number<double>(0, 1, "within 0..1");
    outcome.metrics.inp = cell(8).number<double>(0, 1, "within 0..1");
    if (rows[r][0] == kTextToImage)
      outcomes.text_to_image.push_back(std::move(outcome));
    else if (rows[r][0] == kImageToText)
      outcomes.image_to_text.push_back(std::move(outcome));
    else
      cell(0).refuse("text_to_image or image_to_text");
  }
  return outcomes;
}

void require_same_queries(const QueryOutcomes& a, const std::string& first, const QueryOutcomes& b,
                          const std::string& second) {
  require_equal_queries("text to image", a.text_to_image, first, b.text_to_image, second);
  require_equal_queries("image to text", a.image_to_text, first, b.image_to_text, second);
}

}  // namespace edgeclip
