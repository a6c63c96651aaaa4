#include "base/protobuf_wire.h"

#include <bit>

namespace edgeclip {

namespace {

enum Wire : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

}  // namespace

void ProtobufMessage::append_varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void ProtobufMessage::add_key(std::uint32_t field, std::uint32_t wire) { append_varint(field << 3 | wire); }

void ProtobufMessage::add_varint(std::uint32_t field, std::uint64_t value) {
  add_key(field, kVarint);
  append_varint(value);
}

void ProtobufMessage::add_double(std::uint32_t field, double value) {
  add_key(field, kFixed64);
  append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
}

void ProtobufMessage::add_float(std::uint32_t field, float value) {
  add_key(field, kFixed32);
  append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value));
}

void ProtobufMessage::add_bytes(std::uint32_t field, std::string_view value) {
  add_key(field, kBytes);
  append_varint(value.size());
  bytes_ += value;
}

void ProtobufMessage::add_doubles(std::uint32_t field, const std::vector<double>& values) {
  add_key(field, kBytes);
  append_varint(8 * values.size());
  for (const double value : values) append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
}

bool ProtobufReader::read_varint(std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return false;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ProtobufReader::next() {
  std::uint64_t key = 0, length = 0;
  if (!read_varint(key)) return false;
  field_ = static_cast<std::uint32_t>(key >> 3);
  wire_ = static_cast<std::uint32_t>(key & 7);
  content_ = {};
  switch (wire_) {
    case kVarint:
      return read_varint(varint_);
    case kFixed64:
      length = 8;
      break;
    case kFixed32:
      length = 4;
      break;
    case kBytes:
      if (!read_varint(length)) return false;
      break;
    default:
      return false;
  }
  if (length > rest_.size()) return false;
  content_ = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return true;
}

}  // namespace edgeclip
