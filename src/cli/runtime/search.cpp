#include "retrieval/search.h"

#include <strings.h>

#include "base/file.h"
#include "base/log.h"
#include "base/report_file.h"
#include "base/utf8.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "cli/runtime/texts.h"
#include "retrieval/encode.h"
#include "retrieval/image_grid.h"
#include "retrieval/result_files.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// Named as PNG, or not named as a picture at all (/dev/stdout).
bool is_png_name(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending.empty() || strcasecmp(ending.c_str(), ".png") == 0;
}

struct Options : PlanOptions {
  std::string plan, gallery, texts, image, csv, grid, image_root;
  std::vector<std::string> text;
  std::int64_t top = 10, person = -1;
  double threshold = -1;

  template <class Visitor>
  void fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes the query");
    plan_fields(v);
    v("gallery", gallery, "gallery that is searched");
    v("text", text, "who is looked for; repeatable");
    v("texts", texts, "file of descriptions: one per line, or a JSON list");
    v("image", image, "looks for the person in this image");
    v("top", top, "results per query");
    v("threshold", threshold, "least cosine of a result, -1 to 1");
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
    if (!(threshold >= -1 && threshold <= 1))
      invalid_input("{}threshold: {} is no cosine (-1 to 1)", where, threshold);
  }
};

struct Queries {
  std::vector<std::string> names;
  Tensor rows;  ///< (Q, D)
};

std::vector<std::string> texts_of(const Options& options) {
  std::vector<std::string> texts = options.text;
  for (const auto& text : texts) require_utf8(text, "--text");
  if (!options.texts.empty()) {
    const auto more = read_texts(options.texts);
    texts.insert(texts.end(), more.begin(), more.end());
  }
  if (texts.empty() == options.image.empty())
    invalid_input("name who is looked for: either --text (or --texts FILE), or --image");
  return texts;
}

Queries encode_queries(Encoder& encoder, const Options& options, const std::vector<std::string>& texts) {
  if (options.image.empty()) {
    warn_of_unseen(*encoder.tokenizer(), texts, encoder.card().context_length);
    return {texts, encode_texts(encoder, texts)};
  }
  require_file(options.image, "query image");
  return {{options.image}, encode_image_files(encoder, {options.image})};
}

/// The last name of a folder's path: "out/plan/" -> "plan".
std::string name_of(const fs::path& folder) {
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

void write_grids(const Options& options, const Gallery& gallery, const Queries& queries,
                 const std::vector<std::vector<SearchHit>>& results) {
  for (std::size_t q = 0; q < results.size(); ++q) {
    auto cells = grid_cells(gallery, results[q]);
    for (std::size_t k = 0; k < cells.size(); ++k)
      cells[k].highlighted = options.person >= 0 && results[q][k].id == options.person;
    write_grid(numbered_file(options.grid, q, results.size()), queries.names[q],
               fmt::format("{} of {} images of {}, found by {}", cells.size(), gallery.size(),
                           name_of(options.gallery), name_of(options.plan)),
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
    require(options.gallery, "--gallery");
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
    const Gallery gallery = options.grid.empty()
                                ? open_gallery(options.gallery)
                                : open_gallery_with_images(options.gallery, options.image_root);
    require_same_model(gallery, encoder);
    if (!gallery.complete)
      spdlog::warn(
          "{}: is not complete (interrupted, or of a video that is cut off); index again to find the rest",
          options.gallery);
    const Queries queries = encode_queries(encoder, options, texts);
    SearchOptions how;
    how.top = options.top;
    how.threshold = static_cast<float>(options.threshold);
    const auto results = search(gallery, queries.rows.view(), how);

    Json list = Json::array();
    for (std::size_t q = 0; q < results.size(); ++q) {
      print(fmt::format("{}{}\n{:>5} {:>8} {:>8}  {}\n", q == 0 ? "" : "\n", queries.names[q], "rank",
                        "score", "id", "image"));
      for (const auto& hit : results[q])
        print(fmt::format("{:>5} {:>8.4f} {:>8}  {}\n", hit.rank, hit.score,
                          hit.id < 0 ? "" : std::to_string(hit.id), hit.path));
      list.push_back({{"query", queries.names[q]}, {"results", to_json(results[q])}});
    }
    if (!options.csv.empty()) write_results_csv(options.csv, results);
    if (!options.grid.empty()) write_grids(options, gallery, queries, results);
    return {
        {"plan", options.plan}, {"gallery", options.gallery}, {"images", gallery.size()}, {"queries", list}};
  }
};

}  // namespace

std::unique_ptr<Command> search_command() { return std::make_unique<SearchCommand>(); }

}  // namespace edgeclip
