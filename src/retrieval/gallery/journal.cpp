#include "retrieval/gallery/journal.h"

#include <cstring>

#include "base/json.h"

namespace edgeclip {

namespace {

Json to_json(const NumberedItem& numbered) {
  const GalleryItem& i = numbered.item;
  return Json::array({numbered.number, numbered.source, i.path, i.id, i.frame, i.caption, i.box.x, i.box.y, i.box.width, i.box.height, i.time,
                      i.camera, i.track, i.file_bytes, i.file_time, i.in_video});
}

NumberedItem from_json(const Json& j) {
  NumberedItem numbered;
  GalleryItem& i = numbered.item;
  std::size_t k = 0;
  const auto take = [&](auto& value) { j.at(k++).get_to(value); };
  take(numbered.number);
  take(numbered.source);
  take(i.path);
  take(i.id);
  take(i.frame);
  take(i.caption);
  take(i.box.x);
  take(i.box.y);
  take(i.box.width);
  take(i.box.height);
  take(i.time);
  take(i.camera);
  take(i.track);
  take(i.file_bytes);
  take(i.file_time);
  take(i.in_video);
  return numbered;
}

}  // namespace

std::string journal_record(const std::vector<NumberedItem>& items, const float* rows, std::int64_t dim,
                           const std::vector<std::uint64_t>& replaced, const std::string& model_hash, const std::string& precision) {
  Json list = Json::array();
  for (const NumberedItem& item : items) list.push_back(to_json(item));
  const std::string head = Json({{"items", std::move(list)}, {"replaced", replaced}, {"model_hash", model_hash}, {"precision", precision}}).dump();
  const std::uint64_t length = head.size();
  const std::size_t values = items.size() * static_cast<std::size_t>(dim) * sizeof(float);
  std::string record(sizeof length, '\0');
  record.reserve(sizeof length + head.size() + values);
  std::memcpy(record.data(), &length, sizeof length);
  record += head;
  record.append(reinterpret_cast<const char*>(rows), values);
  return record;
}

JournalRecord read_journal_record(std::string_view record, std::int64_t dim, const std::string& where) {
  constexpr const char* kBad = "is no record of a journal; remove the journal (its rows are lost), or index the images again";
  std::uint64_t length = 0;
  if (record.size() < sizeof length) invalid_input("{}: {}", where, kBad);
  std::memcpy(&length, record.data(), sizeof length);
  if (length > record.size() - sizeof length) invalid_input("{}: {}", where, kBad);
  JournalRecord read;
  try {
    const Json head = Json::parse(record.substr(sizeof length, length));
    for (const Json& item : head.at("items")) read.items.push_back(from_json(item));
    head.at("replaced").get_to(read.replaced);
    head.at("model_hash").get_to(read.model_hash);
    head.at("precision").get_to(read.precision);
  } catch (const Json::exception& error) {
    invalid_input("{}: {} ({})", where, kBad, error.what());
  }
  if (record.size() - sizeof length - length != read.items.size() * static_cast<std::size_t>(dim) * sizeof(float))
    invalid_input("{}: {}", where, kBad);
  read.rows = reinterpret_cast<const float*>(record.data() + sizeof length + length);
  return read;
}

}  // namespace edgeclip
