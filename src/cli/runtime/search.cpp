#include "retrieval/search/search.h"

#include <strings.h>


#include "base/file.h"
#include "base/log.h"
#include "base/parse_number.h"
#include "base/report_file.h"
#include "base/utf8.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "cli/runtime/texts.h"
#include "retrieval/encode.h"
#include "retrieval/gallery/time_text.h"
#include "retrieval/search/image_grid.h"
#include "retrieval/search/queries.h"
#include "retrieval/search/result_files.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Named as PNG, or not named as a picture at all (/dev/stdout).
bool is_png_name(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending.empty() || strcasecmp(ending.c_str(), ".png") == 0;
}

struct Options : PlanOptions {
  std::string plan, texts, image, csv, grid, image_root, after, before;
  std::string group = "none";
  std::vector<std::string> gallery, text, not_text, camera, right, wrong;
  double image_weight = 0.5, not_weight = 0.5;
  std::int64_t top = 10, person = -1;
  RerankOptions rerank;
  double threshold = -1;
  bool same_precision = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes the query");
    plan_fields(v);
    v("gallery", gallery, "gallery that is searched; repeatable: all of them as one");
    v("text", text, "who is looked for; repeatable");
    v("texts", texts, "file of descriptions: one per line, or a JSON list");
    v("image", image, "looks for the person in this image, or for what lies between each text and it");
    v("image_weight", image_weight, "of the image beside a text, 0 to 1");
    v("not_text", not_text, "what is not looked for; repeatable");
    v("not_weight", not_weight, "how much of it is taken off, 0 to 1");
    v("right", right, "number of an item of an earlier answer that is right: the query moves towards it; repeatable");
    v("wrong", wrong, "number of one that is wrong: the query moves away from it; repeatable");
    v("camera", camera, "only what this camera took; repeatable");
    v("after", after, "only what was taken at this time or later: 2026-01-31T12:30:00Z, or with +01:00; without either UTC");
    v("before", before, "only what was taken before this time");
    v("group", group, "each person, or each track of a camera, once, by its best image", {"none", "person", "track"});
    v("rerank", rerank.candidates, "so many of the best are put into a new order by whom else they are near to (k-reciprocal re-ranking); 0: none");
    v("rerank_k1", rerank.k1, "its neighbours of a set");
    v("rerank_k2", rerank.k2, "its neighbours that a set is averaged over");
    v("rerank_lambda", rerank.lambda, "its share of the distance before, 0 to 1");
    v("top", top, "results per query");
    v("threshold", threshold, "least cosine of a result, -1 to 1");
    v("same_precision", same_precision, "refuses a gallery that a plan of another precision made");
    v("csv", csv, "results as CSV: rank,score,path,id,caption; several queries: F.1.csv, F.2.csv, ...");
    v("grid", grid, "results as a picture, F.png; several queries: F.1.png, F.2.png, ...");
    v("image_root", image_root, "folder of the gallery's images, where they were moved; for --grid");
    v("person", person, "identity whose images get a green frame in the picture; -1: none");
  }
  void validate(const std::string& where) const {
    if (top < 1) invalid_input("{}top: {} is not at least 1", where, top);
    constexpr std::int64_t kMostCells = 500;
    if (!grid.empty() && top > kMostCells)
      invalid_input("{}top: {} is too much for a picture; at most {} with --grid", where, top, kMostCells);
    if (!grid.empty() && !is_png_name(grid))
      invalid_input("{}grid: {} is written as PNG; name it {}", where, grid,
                    fs::path(grid).replace_extension(".png").string());
    for (const auto& [name, weight] : {std::pair("image_weight", image_weight), std::pair("not_weight", not_weight)})
      if (!(weight >= 0 && weight <= 1)) invalid_input("{}{}: {} is not within 0..1", where, name, weight);
    rerank.check(where.c_str());
    if (!(threshold >= -1 && threshold <= 1))
      invalid_input("{}threshold: {} is no cosine (-1 to 1)", where, threshold);
  }
};

std::vector<std::string> texts_of(const Options& options) {
  std::vector<std::string> texts = options.text;
  for (const auto& text : texts) require_utf8(text, "--text");
  if (!options.texts.empty()) {
    const auto more = read_texts(options.texts);
    texts.insert(texts.end(), more.begin(), more.end());
  }
  if (texts.empty() && options.image.empty())
    invalid_input("name who is looked for: --text (or --texts FILE), --image, or both");
  return texts;
}

std::vector<std::uint64_t> item_numbers(const std::vector<std::string>& texts, const char* flag) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& text : texts) {
    const auto number = parse_number<std::uint64_t>(text);
    if (!number) invalid_input("{} {}: is no number of an item; search tells it as \"item\"", flag, text);
    numbers.push_back(*number);
  }
  return numbers;
}

SearchOptions search_options(const Options& options) {
  SearchOptions how;
  how.top = options.top;
  how.threshold = static_cast<float>(options.threshold);
  how.rerank = options.rerank;
  how.filter.cameras = {options.camera.begin(), options.camera.end()};
  if (!options.after.empty()) how.filter.after = parse_time(options.after, "--after");
  if (!options.before.empty()) how.filter.before = parse_time(options.before, "--before");
  how.group = options.group == "person" ? GroupBy::kPerson : options.group == "track" ? GroupBy::kTrack : GroupBy::kNone;
  return how;
}

/// The last name of a folder's path: "out/plan/" -> "plan".
std::string name_of(const fs::path& folder) {
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

std::string names_of(const std::vector<std::string>& galleries) {
  std::vector<std::string> names;
  for (const std::string& gallery : galleries) names.push_back(name_of(gallery));
  return fmt::format("{}", fmt::join(names, ", "));
}

void write_grids(const Options& options, const GallerySet& galleries, const Queries& queries,
                 const std::vector<std::vector<SearchHit>>& results) {
  for (std::size_t q = 0; q < results.size(); ++q) {
    auto cells = grid_cells(galleries, results[q]);
    for (std::size_t k = 0; k < cells.size(); ++k)
      cells[k].highlighted = options.person >= 0 && results[q][k].item.id == options.person;
    write_grid(numbered_file(options.grid, q, results.size()), queries.names[q],
               fmt::format("{} of {} images of {}, found by {}", cells.size(), galleries.size(), names_of(options.gallery),
                           name_of(options.plan)),
               cells);
  }
}

class SearchCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "search"; }
  const char* summary() const override { return "Finds people in a gallery by a description or an image"; }
  const char* example() const override {
    return "search --plan plan/ --gallery gallery/ --text \"a woman in a red coat with a black bag\" --top "
           "10 --grid hits.png";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.plan, "--plan");
    require(options.gallery.empty() ? "" : options.gallery.front(), "--gallery");
    const SearchOptions how = search_options(options);
    if (options.grid.empty() && (options.person >= 0 || !options.image_root.empty()))
      throw InvalidInput("--person and --image-root are for a picture; add --grid F.png, or leave them out");
    const auto texts = texts_of(options);
    const std::vector<std::string> inputs = {options.texts, options.image};
    const std::size_t queries_given = std::max<std::size_t>(1, texts.size());
    for (std::size_t q = 0; q < queries_given; ++q) {
      if (!options.csv.empty())
        require_report_output(numbered_file(options.csv, q, queries_given), ReportKind::kCsv, inputs);
      if (!options.grid.empty())
        require_report_output(numbered_file(options.grid, q, queries_given), ReportKind::kPng, inputs);
    }
    PlanEncoder encoder(options.plan, options.encoder_options());
    std::vector<GallerySnapshot> opened;
    for (const std::string& folder : options.gallery) {
      opened.push_back(open_gallery(folder));
      if (const std::string note = require_same_space(opened.back(), encoder, options.same_precision); !note.empty()) spdlog::info(note);
      if (!opened.back().manifest().complete())
        spdlog::warn("{}: is not complete (interrupted, or of a video that is cut off); index again to find the rest", folder);
    }
    GallerySet galleries(std::move(opened));
    if (!options.grid.empty()) galleries.find_images(options.image_root);
    QueryParts parts;
    parts.texts = texts;
    parts.image = options.image;
    parts.image_weight = options.image_weight;
    parts.not_texts = options.not_text;
    parts.not_weight = options.not_weight;
    parts.right = item_numbers(options.right, "--right");
    parts.wrong = item_numbers(options.wrong, "--wrong");
    for (const auto& some : {texts, options.not_text})
      if (!some.empty()) warn_of_unseen(*encoder.tokenizer(), some, encoder.card().context_length);
    const Queries queries = encode_queries(encoder, parts, galleries);
    const auto results = search(galleries, queries.rows.view(), how);

    Json list = Json::array();
    for (std::size_t q = 0; q < results.size(); ++q) {
      print(fmt::format("{}{}\n{:>5} {:>8} {:>8}  {}\n", q == 0 ? "" : "\n", queries.names[q], "rank",
                        "score", "id", "image"));
      for (const auto& hit : results[q])
        print(fmt::format("{:>5} {:>8.4f} {:>8}  {}\n", hit.rank, hit.score,
                          hit.item.id < 0 ? "" : std::to_string(hit.item.id), shown_path(hit.item)));
      list.push_back({{"query", queries.names[q]}, {"results", to_json(results[q])}});
    }
    if (!options.csv.empty()) write_results_csv(options.csv, results);
    if (!options.grid.empty()) write_grids(options, galleries, queries, results);
    const Json names = options.gallery.size() == 1 ? Json(options.gallery.front()) : Json(options.gallery);
    return {{"plan", options.plan}, {"gallery", names}, {"images", galleries.size()}, {"queries", list}};
  }
};

}  // namespace

std::unique_ptr<Command> search_command() { return std::make_unique<SearchCommand>(); }

}  // namespace edgeclip
