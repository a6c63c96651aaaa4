#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Protocol Buffers' wire format (protobuf.dev, "Encoding"), for messages of a few fields that need no
/// generated classes.
namespace edgeclip {

/// Bytes of a number from the lowest on.
template <class T>
void append_little_endian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

/// A message that is written field by field.
class ProtobufMessage {
 public:
  void add_varint(std::uint32_t field, std::uint64_t value);
  void add_double(std::uint32_t field, double value);
  void add_float(std::uint32_t field, float value);
  /// A string, bytes or a message.
  void add_bytes(std::uint32_t field, std::string_view value);
  /// A packed repeated field.
  void add_doubles(std::uint32_t field, const std::vector<double>& values);
  const std::string& bytes() const { return bytes_; }

 private:
  void add_key(std::uint32_t field, std::uint32_t wire);
  void append_varint(std::uint64_t value);

  std::string bytes_;
};

/// Walks over the fields of a message, of which it must outlive the bytes.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  /// Goes to the next field; false if the bytes are no message from there on.
  bool next();
  std::uint32_t field() const { return field_; }
  bool is_varint() const { return wire_ == 0; }
  bool is_bytes() const { return wire_ == 2; }
  std::uint64_t varint() const { return varint_; }
  /// Content of a string or message; the 4 or 8 bytes of a number of fixed size.
  std::string_view bytes() const { return content_; }

 private:
  bool read_varint(std::uint64_t& value);

  std::string_view rest_, content_;
  std::uint32_t field_ = 0, wire_ = 0;
  std::uint64_t varint_ = 0;
};

}  // namespace edgeclip
