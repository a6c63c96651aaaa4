#include "retrieval/gallery/exchange.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "base/atomic_directory.h"
#include "base/csv.h"
#include "base/npy.h"
#include "base/parse_number.h"
#include "base/signals.h"
#include "retrieval/gallery/time_text.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

constexpr const char* kExportFile = "export.json";

template <class T>
T number_of(const std::string& text, const std::string& where) {
  const auto value = parse_number<T>(text);
  if (!value) invalid_input("{}: \"{}\" is no number", where, text);
  if constexpr (std::is_floating_point_v<T>)  // pixels of a box
    if (!(std::abs(*value) <= T{1e6})) invalid_input("{}: {} is out of range", where, text);
  return *value;
}

std::string known(std::int64_t value, std::int64_t unknown) { return value == unknown ? "" : std::to_string(value); }

/// A column of the table: how it is written, and how it is read.
struct Column {
  std::function<std::string(const GalleryItem&)> write;
  std::function<void(GalleryItem&, const std::string& text, const std::string& where)> read;
};

Column integer(std::int64_t GalleryItem::*field, std::int64_t unknown) {
  return {[=](const GalleryItem& item) { return known(item.*field, unknown); },
          [=](GalleryItem& item, const std::string& text, const std::string& where) {
            if (!text.empty()) item.*field = number_of<std::int64_t>(text, where);
          }};
}

Column text(std::string GalleryItem::*field) {
  return {[=](const GalleryItem& item) { return item.*field; },
          [=](GalleryItem& item, const std::string& value, const std::string&) { item.*field = value; }};
}

Column flag(bool GalleryItem::*field) {
  return {[=](const GalleryItem& item) { return item.*field ? "1" : ""; },
          [=](GalleryItem& item, const std::string& value, const std::string& where) {
            if (!value.empty() && value != "0" && value != "1") invalid_input("{}: \"{}\" is neither 1 nor 0", where, value);
            item.*field = value == "1";
          }};
}

Column time() {
  return {[](const GalleryItem& item) { return time_string(item.time); },
          [](GalleryItem& item, const std::string& value, const std::string& where) {
            if (!value.empty()) item.time = parse_time(value, where);
          }};
}

Column of_box(float Box::*field) {
  return {[=](const GalleryItem& item) { return item.box.whole() ? "" : fmt::format("{}", item.box.*field); },
          [=](GalleryItem& item, const std::string& value, const std::string& where) {
            if (!value.empty()) item.box.*field = number_of<float>(value, where);
          }};
}

const std::vector<std::pair<std::string, Column>>& columns() {
  static const std::vector<std::pair<std::string, Column>> all = {
      {"path", text(&GalleryItem::path)},       {"id", integer(&GalleryItem::id, -1)},
      {"frame", integer(&GalleryItem::frame, -1)}, {"caption", text(&GalleryItem::caption)},
      {"camera", text(&GalleryItem::camera)},   {"time", time()},
      {"track", integer(&GalleryItem::track, -1)}, {"x", of_box(&Box::x)},
      {"y", of_box(&Box::y)},                   {"width", of_box(&Box::width)},
      {"height", of_box(&Box::height)},         {"in_video", flag(&GalleryItem::in_video)}};
  return all;
}

}  // namespace

void export_gallery(const GallerySnapshot& gallery, const fs::path& out, bool overwrite) {
  AtomicDirectory folder(out, kExportFile, FolderRules{overwrite, {gallery.directory()}});
  std::vector<std::int64_t> places;
  gallery.each([&](std::int64_t place) { places.push_back(place); });
  std::sort(places.begin(), places.end(), [&](std::int64_t a, std::int64_t b) { return gallery.number(a) < gallery.number(b); });
  const int dim = gallery.manifest().embedding_dim;
  std::vector<float> row(static_cast<std::size_t>(dim));
  AtomicFile rows(folder.work() / "embeddings.npy"), items(folder.work() / "items.csv");
  write_npy_head(rows, DType::f32, {static_cast<std::int64_t>(places.size()), dim});
  std::vector<std::string> fields = {"item"};
  for (const auto& [name, column] : columns()) fields.push_back(name);
  items.write(csv_row(fields));
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i % 65536 == 0) throw_if_interrupted();
    gallery.read_row(places[i], row.data());
    rows.write(row.data(), row.size() * sizeof(float));
    const GalleryItem item = gallery.item(places[i]);
    fields = {std::to_string(gallery.number(places[i]))};
    for (const auto& [name, column] : columns()) fields.push_back(column.write(item));
    items.write(csv_row(fields));
  }
  rows.commit();
  items.commit();
  write_json(folder.work() / kExportFile, {{"format", 1},
                                           {"edgeclip", "export"},
                                           {"embedding_space", gallery.manifest().embedding_space},
                                           {"embedding_dim", dim},
                                           {"count", places.size()},
                                           {"files", file_table(folder.work(), kExportFile)}});
  folder.commit();
}

std::vector<GalleryItem> read_item_table(const fs::path& table) {
  const auto lines = read_csv(table);
  if (lines.empty()) invalid_input("{}: is empty; its first line names the columns, path among them", table.string());
  std::vector<const Column*> taken;
  for (const std::string& name : lines[0]) {
    const auto at = std::find_if(columns().begin(), columns().end(), [&](const auto& c) { return c.first == name; });
    if (at == columns().end() && name != "item")
      invalid_input("{}: column \"{}\" is none of path, id, frame, caption, camera, time, track, x, y, width, height, in_video", table.string(), name);
    taken.push_back(at == columns().end() ? nullptr : &at->second);
  }
  if (std::find(lines[0].begin(), lines[0].end(), "path") == lines[0].end())
    invalid_input("{}: has no column \"path\"", table.string());
  std::vector<GalleryItem> items;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string where = fmt::format("{}: row {}", table.string(), i);
    if (lines[i].size() != taken.size()) invalid_input("{}: has {} fields, not {}", where, lines[i].size(), taken.size());
    GalleryItem item;
    for (std::size_t c = 0; c < taken.size(); ++c)
      if (taken[c] != nullptr) taken[c]->read(item, lines[i][c], where + ": " + lines[0][c]);
    if (item.path.empty()) invalid_input("{}: path is empty", where);
    items.push_back(std::move(item));
  }
  return items;
}

ForeignEmbeddings read_embeddings(const fs::path& npy, const fs::path& table, int embedding_dim) {
  ForeignEmbeddings read;
  read.rows = map_npy(npy);
  if (read.rows.dtype() != DType::f32 || read.rows.shape().size() != 2 || read.rows.dim(1) != embedding_dim)
    invalid_input("{}: is {} {}, not float32 (N, {})", npy.string(), dtype_name(read.rows.dtype()), shape_string(read.rows.shape()),
                  embedding_dim);
  read.items = read_item_table(table);
  if (static_cast<std::int64_t>(read.items.size()) != read.rows.dim(0))
    invalid_input("{}: has {} rows, {} has {}; they belong together row by row", table.string(), read.items.size(), npy.string(),
                  read.rows.dim(0));
  for (std::int64_t i = 0; i < read.rows.dim(0); ++i) {
    const float* row = read.rows.data<float>() + i * embedding_dim;
    double squares = 0;
    for (int d = 0; d < embedding_dim; ++d) squares += static_cast<double>(row[d]) * static_cast<double>(row[d]);
    if (!(std::abs(std::sqrt(squares) - 1) < 1e-2))  // those of an int8 gallery are not quite
      invalid_input("{}: row {}: its length is {}, not 1; normalize the rows", npy.string(), i, std::sqrt(squares));
  }
  return read;
}

}  // namespace edgeclip
