#include "retrieval/gallery/item_table.h"

#include <cstring>
#include <functional>
#include <map>

#include "base/safetensors.h"

namespace edgeclip {

namespace {

constexpr const char* kDamaged = "copy the gallery again, or index the images again";

template <class T>
Tensor column(const std::vector<NumberedItem>& items, const std::function<T(const NumberedItem&)>& value) {
  Tensor tensor(DTypeOf<T>::value, {static_cast<std::int64_t>(items.size())});
  for (std::size_t i = 0; i < items.size(); ++i) tensor.data<T>()[i] = value(items[i]);
  return tensor;
}

}  // namespace

std::int64_t ItemTable::Strings::checked_code(std::int64_t row, const std::string& file) const {
  const std::int32_t which = code.data<std::int32_t>()[row];
  if (which < 0 || which >= count()) invalid_input("{}: row {}: a string lies outside of its column; {}", file, row, kDamaged);
  return which;
}

std::string_view ItemTable::Strings::string(std::int64_t which, const std::string& file) const {
  const std::int64_t* offsets = offset.data<std::int64_t>();
  if (offsets[which] < 0 || offsets[which + 1] < offsets[which] || offsets[which + 1] > bytes.dim(0))
    invalid_input("{}: string {} lies outside of its column; {}", file, which, kDamaged);
  return {reinterpret_cast<const char*>(bytes.raw()) + offsets[which], static_cast<std::size_t>(offsets[which + 1] - offsets[which])};
}

std::vector<bool> ItemTable::cameras_among(const std::set<std::string>& names) const {
  std::vector<bool> among;
  for (std::int64_t which = 0; which < camera_.count(); ++which) among.push_back(names.count(std::string(camera_.string(which, file_))) != 0);
  return among;
}

std::size_t ItemTable::camera_code(std::int64_t row) const { return static_cast<std::size_t>(camera_.checked_code(row, file_)); }

ItemTable::ItemTable(const std::filesystem::path& file, std::int64_t rows) : file_(file.string()), rows_(rows) {
  const SafetensorsFile columns(file);
  const auto take = [&](const std::string& name, DType dtype, Shape shape) {
    Tensor tensor = columns.get(name);
    const bool counted = shape[0] >= 0;
    if (tensor.dtype() != dtype || (counted ? tensor.shape() != shape : tensor.shape().size() != 1))
      invalid_input("{}: {}: is {} {}, not {} for {} rows; {}", file_, name, dtype_name(tensor.dtype()), shape_string(tensor.shape()),
                    dtype_name(dtype), rows, kDamaged);
    return tensor;
  };
  const auto strings = [&](const std::string& name) {
    Strings s{take(name, DType::i32, {rows}), take(name + ".offset", DType::i64, {-1}), take(name + ".bytes", DType::u8, {-1})};
    if (s.offset.dim(0) < 1) invalid_input("{}: {}.offset: is empty; {}", file_, name, kDamaged);
    return s;
  };
  number_ = take("item", DType::u64, {rows});
  source_ = take("source", DType::i32, {rows});
  person_ = take("person", DType::i64, {rows});
  frame_ = take("frame", DType::i64, {rows});
  box_ = take("box", DType::f32, {rows, 4});
  time_ = take("time", DType::i64, {rows});
  track_ = take("track", DType::i64, {rows});
  file_bytes_ = take("file_bytes", DType::i64, {rows});
  file_time_ = take("file_time", DType::i64, {rows});
  in_video_ = take("in_video", DType::u8, {rows});
  path_ = strings("path");
  caption_ = strings("caption");
  camera_ = strings("camera");
}

ItemTable::ItemTable(const std::vector<NumberedItem>& items) : rows_(static_cast<std::int64_t>(items.size())) {
  number_ = column<std::uint64_t>(items, [](const NumberedItem& i) { return i.number; });
  source_ = column<std::int32_t>(items, [](const NumberedItem& i) { return i.source; });
  person_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.id; });
  frame_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.frame; });
  time_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.time; });
  track_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.track; });
  file_bytes_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.file_bytes; });
  file_time_ = column<std::int64_t>(items, [](const NumberedItem& i) { return i.item.file_time; });
  in_video_ = column<std::uint8_t>(items, [](const NumberedItem& i) { return static_cast<std::uint8_t>(i.item.in_video ? 1 : 0); });
  box_ = Tensor(DType::f32, {rows_, 4});
  for (std::int64_t i = 0; i < rows_; ++i) {
    const Box& box = items[static_cast<std::size_t>(i)].item.box;
    const float values[4] = {box.x, box.y, box.width, box.height};
    std::memcpy(box_.data<float>() + 4 * i, values, sizeof values);
  }
  const auto strings = [&](const std::function<const std::string&(const NumberedItem&)>& value) {
    std::map<std::string_view, std::int32_t> codes;
    std::vector<std::int64_t> offsets = {0};
    std::string all;
    Strings s;
    s.code = Tensor(DType::i32, {rows_});
    for (std::int64_t i = 0; i < rows_; ++i) {
      const std::string& text = value(items[static_cast<std::size_t>(i)]);
      const auto [at, added] = codes.emplace(text, static_cast<std::int32_t>(codes.size()));
      if (added) {
        all += text;
        offsets.push_back(static_cast<std::int64_t>(all.size()));
      }
      s.code.data<std::int32_t>()[i] = at->second;
    }
    s.offset = Tensor::from<std::int64_t>({static_cast<std::int64_t>(offsets.size())}, offsets);
    s.bytes = Tensor(DType::u8, {static_cast<std::int64_t>(all.size())});
    if (!all.empty()) std::memcpy(s.bytes.raw(), all.data(), all.size());
    return s;
  };
  path_ = strings([](const NumberedItem& i) -> const std::string& { return i.item.path; });
  caption_ = strings([](const NumberedItem& i) -> const std::string& { return i.item.caption; });
  camera_ = strings([](const NumberedItem& i) -> const std::string& { return i.item.camera; });
}

GalleryItem ItemTable::item(std::int64_t row) const {
  EDGECLIP_CHECK(row >= 0 && row < rows_, "row {} of {}", row, rows_);
  GalleryItem item;
  item.path = path(row);
  item.caption = caption_.at(row, file_);
  item.camera = camera(row);
  item.id = person(row);
  item.frame = frame_.data<std::int64_t>()[row];
  const float* box = box_.data<float>() + 4 * row;
  item.box = {box[0], box[1], box[2], box[3]};
  item.time = time(row);
  item.track = track_.data<std::int64_t>()[row];
  item.file_bytes = file_bytes_.data<std::int64_t>()[row];
  item.file_time = file_time_.data<std::int64_t>()[row];
  item.in_video = in_video_.data<std::uint8_t>()[row] != 0;
  return item;
}

void ItemTable::write(const std::filesystem::path& file) const {
  NamedTensors columns = {{"item", number_},        {"person", person_},         {"frame", frame_},
                          {"time", time_},          {"track", track_},           {"file_bytes", file_bytes_},
                          {"file_time", file_time_}};
  // Eight bytes first, then four, then one: each column begins where its type may.
  for (const auto& [name, strings] : {std::pair("path", &path_), std::pair("caption", &caption_), std::pair("camera", &camera_)})
    columns.emplace_back(std::string(name) + ".offset", strings->offset);
  columns.emplace_back("source", source_);
  columns.emplace_back("box", box_);
  for (const auto& [name, strings] : {std::pair("path", &path_), std::pair("caption", &caption_), std::pair("camera", &camera_)})
    columns.emplace_back(name, strings->code);
  columns.emplace_back("in_video", in_video_);
  for (const auto& [name, strings] : {std::pair("path", &path_), std::pair("caption", &caption_), std::pair("camera", &camera_)})
    columns.emplace_back(std::string(name) + ".bytes", strings->bytes);
  write_safetensors(file, columns);
}

}  // namespace edgeclip
