#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parse_number.h"
#include "base/utf8.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "dual_encoder/plan_encoder.h"
#include "retrieval/gallery/exchange.h"
#include "retrieval/gallery/format1.h"
#include "retrieval/gallery/time_text.h"
#include "retrieval/gallery/writer.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options {
  std::string action, gallery, embeddings, table, image_root, plan, rows, out, before;
  std::vector<std::string> item, person, path, camera, from;
  bool overwrite = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("action", action, "what to do: add, remove, compact, merge, verify, upgrade or export");
    v("gallery", gallery, "the gallery");
    v("embeddings", embeddings, "add: F.npy, (N, D) float32 unit rows that another program made");
    v("table", table, "add: F.csv, a row for each of them: path, and of id, frame, caption, camera, time, track, x, y, width, height what is known");
    v("image_root", image_root, "add: the folder that paths of the table are relative to; empty: that of the table");
    v("plan", plan, "add: of whose model the embeddings are, where the gallery is a new one");
    v("item", item, "remove: items of these numbers; repeatable");
    v("person", person, "remove: images of these persons; repeatable");
    v("path", path, "remove: images of these paths, as search shows them, or of a video all frames; repeatable");
    v("camera", camera, "remove: images of these cameras; repeatable");
    v("before", before, "remove: images that were taken before this time, as 2026-01-31T12:30:00Z");
    v("rows", rows, "compact: how rows are kept from then on; empty: as they are", {"", "float32", "float16", "int8"});
    v("from", from, "merge: galleries that become part of --gallery, which may be a new one; repeatable");
    v("out", out, "export: folder for embeddings.npy and items.csv");
    v("overwrite", overwrite, "export: replaces an earlier export");
  }
};

std::set<std::int64_t> integers(const std::vector<std::string>& texts, const char* flag) {
  std::set<std::int64_t> all;
  for (const std::string& text : texts) {
    const auto number = parse_number<std::int64_t>(text);
    if (!number) invalid_input("{} {}: is no number", flag, text);
    all.insert(*number);
  }
  return all;
}

/// The source with this hash.
std::optional<std::int32_t> source_of(const GalleryManifest& manifest, const std::string& list) {
  for (std::size_t s = 0; s < manifest.sources.size(); ++s)
    if (manifest.sources[s].kind == "embeddings" && manifest.sources[s].list == list) return static_cast<std::int32_t>(s);
  return std::nullopt;
}

bool has_items_of(const GallerySnapshot& gallery, std::int32_t source) {
  for (const Segment& segment : gallery.segments())
    for (std::int64_t row = 0; row < segment.entry.rows; ++row)
      if (segment.is_live(row) && segment.items.source(row) == source) return true;
  return false;
}

class GalleryCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "gallery"; }
  const char* summary() const override { return "Keeps a gallery: adds, removes, compacts, merges, verifies, upgrades, exports"; }
  const char* example() const override { return "gallery verify --gallery gallery/"; }
  std::vector<std::string> more_examples() const override {
    return {"gallery remove --gallery gallery/ --person 7", "gallery compact --gallery gallery/ --rows int8",
            "gallery merge --gallery all/ --from shard1/ --from shard2/", "gallery export --gallery gallery/ --out table/",
            "gallery add --gallery gallery/ --embeddings table/embeddings.npy --table table/items.csv"};
  }
  void declare(CLI::App& app) override {
    app.add_option_function<std::string>(
        "ACTION", [this](const std::string& action) { given_["action"] = action; },
        "add, remove, compact, merge, verify, upgrade or export");
    OptionsCommand::declare(app);
  }

 protected:
  Json execute(const Options& options) override {
    require(options.action, "what to do (gallery verify, ...)");
    require(options.gallery, "--gallery");
    using Action = void (GalleryCommand::*)(const Options&, Json&);
    const std::vector<std::pair<std::string, Action>> actions = {
        {"add", &GalleryCommand::add},     {"remove", &GalleryCommand::remove},   {"compact", &GalleryCommand::compact},
        {"merge", &GalleryCommand::merge}, {"verify", &GalleryCommand::verify},   {"upgrade", &GalleryCommand::upgrade},
        {"export", &GalleryCommand::write}};
    const auto action = std::find_if(actions.begin(), actions.end(), [&](const auto& a) { return a.first == options.action; });
    if (action == actions.end())
      invalid_input("gallery {}: is none of add, remove, compact, merge, verify, upgrade, export", options.action);
    Json report = {{"gallery", options.gallery}, {"action", options.action}};
    (this->*action->second)(options, report);
    const GallerySnapshot now = open_gallery(options.gallery);
    report["images"] = now.size();
    report["segments"] = now.segments().size();
    report["generation"] = now.manifest().generation;
    print(fmt::format("{}: {} images in {} segments\n", options.gallery, now.size(), now.segments().size()));
    return report;
  }

 private:
  void add(const Options& options, Json& report) {
    require(options.embeddings, "--embeddings");
    require(options.table, "--table");
    std::optional<GalleryManifest> fresh;
    if (!options.plan.empty()) {
      const PlanEncoder encoder(options.plan, {});
      fresh = manifest_for(encoder);
    } else if (!fs::exists(fs::path(options.gallery) / kGalleryFile)) {
      invalid_input("{}: is no gallery yet; say with --plan of which model the embeddings are", options.gallery);
    }
    const int dim = fresh ? fresh->embedding_dim : open_gallery(options.gallery).manifest().embedding_dim;
    const ForeignEmbeddings read = read_embeddings(options.embeddings, options.table, dim);
    GalleryWriter writer(options.gallery, fresh);
    GallerySource source;
    source.kind = "embeddings";
    source.path = options.table;
    source.image_root = options.image_root.empty() ? fs::absolute(options.table).parent_path() : fs::absolute(options.image_root);
    require_utf8(source.image_root.string(), "--image-root");
    source.list = hash_file(options.embeddings) + hash_file(options.table);
    const std::optional<std::int32_t> there = source_of(writer.manifest(), source.list);
    if (there && has_items_of(writer.snapshot(), *there)) {  // also of a run that was killed before it could say so
      spdlog::info("{}: holds these embeddings already", options.gallery);
      report["added"] = 0;
      return;
    }
    const std::int32_t place = writer.put_source(source, there, read.items.size());
    std::uint64_t number = writer.manifest().sources[static_cast<std::size_t>(place)].first_item;
    std::vector<NumberedItem> items;
    for (const GalleryItem& item : read.items) items.push_back({number++, place, item});
    writer.append(items, read.rows.data<float>());
    writer.seal();
    source = writer.manifest().sources[static_cast<std::size_t>(place)];
    source.complete = true;
    writer.put_source(source, place, 0);
    report["added"] = items.size();
  }

  void remove(const Options& options, Json& report) {
    const std::set<std::int64_t> numbers = integers(options.item, "--item"), persons = integers(options.person, "--person");
    const bool timed = !options.before.empty();
    const std::int64_t before = timed ? parse_time(options.before, "--before") : 0;
    if (!persons.empty() && *persons.begin() < 0) invalid_input("--person {}: stands for persons that are not known; name them by --item", *persons.begin());
    for (const auto& [flag, values] : {std::pair("--path", &options.path), std::pair("--camera", &options.camera)})
      if (std::count(values->begin(), values->end(), "") > 0) invalid_input("{}: is empty", flag);
    const std::set<std::string> paths(options.path.begin(), options.path.end()), cameras(options.camera.begin(), options.camera.end());
    if (numbers.empty() && persons.empty() && paths.empty() && cameras.empty() && !timed)
      invalid_input("gallery remove: say what goes: --item, --person, --path, --camera or --before");
    GalleryWriter writer(options.gallery, std::nullopt);
    report["removed"] = writer.remove([&](const GallerySnapshot& gallery, std::int64_t place) {
      if (numbers.count(static_cast<std::int64_t>(gallery.number(place))) != 0) return true;
      if (persons.empty() && paths.empty() && cameras.empty() && !timed) return false;
      const GalleryItem item = gallery.item(place);
      return (timed && item.time != kUnknownTime && item.time < before) || persons.count(item.id) != 0 || cameras.count(item.camera) != 0 || paths.count(item.path) != 0 ||
             paths.count(shown_path(item)) != 0;
    });
  }

  void compact(const Options& options, Json& report) {
    GalleryWriter writer(options.gallery, std::nullopt);
    const DType rows = options.rows.empty() ? writer.manifest().rows : row_type(options.rows, "--rows");
    writer.compact(rows);
    report["rows"] = dtype_name(rows);
  }

  void merge(const Options& options, Json& report) {
    if (options.from.empty()) invalid_input("gallery merge: name what becomes part of it: --from GALLERY");
    std::vector<GallerySnapshot> others;
    for (const std::string& from : options.from) {
      if (output_place(from) == output_place(options.gallery)) invalid_input("--from {}: is --gallery itself", from);
      others.push_back(open_gallery(from));
    }
    GalleryManifest fresh = others.front().manifest();
    fresh.generation = 0;
    fresh.next_item = 0;
    fresh.next_segment = 1;
    fresh.sources.clear();
    fresh.segments.clear();
    if (!fs::exists(fs::path(options.gallery) / kGalleryFile)) require_mergeable(fresh, options.gallery, others);  // before one is made
    GalleryWriter writer(options.gallery, fresh);
    writer.merge(others);
    report["merged"] = options.from;
  }

  void verify(const Options& options, Json& report) {
    verify_gallery(options.gallery);
    report["verified"] = true;
  }

  void upgrade(const Options& options, Json&) { upgrade_format1(options.gallery); }

  void write(const Options& options, Json& report) {
    require(options.out, "--out");
    export_gallery(open_gallery(options.gallery), options.out, options.overwrite);
    report["out"] = options.out;
  }
};

}  // namespace

std::unique_ptr<Command> gallery_command() { return std::make_unique<GalleryCommand>(); }

}  // namespace edgeclip
