#include "builder/import/attributes.h"

#include <onnx/onnx_pb.h>

#include <cctype>

#include "engine/ops/support.h"
#include "onnx/graph_builder.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

using Proto = ::onnx::AttributeProto;

/// The letter that Operator::attributes uses for an attribute's type; '?' for the others (graphs, sparse
/// tensors).
char type_letter(Proto::AttributeType type) {
  switch (type) {
    case Proto::INT:
      return 'i';
    case Proto::FLOAT:
      return 'f';
    case Proto::STRING:
      return 's';
    case Proto::TENSOR:
      return 't';
    case Proto::INTS:
      return 'I';
    case Proto::FLOATS:
      return 'F';
    case Proto::STRINGS:
      return 'S';
    default:
      return '?';
  }
}

/// Files of the oldest exporters leave the type out; the field that is set then says it.
char letter_of(const Proto& proto) {
  if (proto.type() != Proto::UNDEFINED) return type_letter(proto.type());
  if (proto.has_i()) return 'i';
  if (proto.has_f()) return 'f';
  if (proto.has_s()) return 's';
  if (proto.has_t()) return 't';
  if (proto.ints_size()) return 'I';
  if (proto.floats_size()) return 'F';
  if (proto.strings_size()) return 'S';
  return '?';
}

Tensor tensor_attribute(const Node& node, const Proto& proto, const std::filesystem::path& folder) {
  return load_tensor(proto.t(), folder,
                     fmt::format("{}: attribute {}", node_label(node), printable(proto.name())));
}

Attribute value_of(const Node& node, const Proto& proto, char letter, const std::filesystem::path& folder) {
  switch (letter) {
    case 'i':
      return proto.i();
    case 'f':
      return proto.f();
    case 's':
      return proto.s();
    case 't':
      return tensor_attribute(node, proto, folder);
    case 'I':
      return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
    case 'F':
      return std::vector<float>(proto.floats().begin(), proto.floats().end());
    default:
      return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
  }
}

}  // namespace

Tensor load_tensor(const ::onnx::TensorProto& proto, const std::filesystem::path& folder,
                   const std::string& where) {
  Tensor tensor = onnx_ir::tensor_from_proto(proto, folder, where);
  if (tensor.dtype() == DType::boolean)
    for (std::size_t i = 0; i < tensor.bytes(); ++i)
      if (tensor.raw()[i] != std::byte{0}) tensor.raw()[i] = std::byte{1};
  return tensor;
}

void read_attributes(Node& node, const Operator& row, const ::onnx::NodeProto& proto,
                     const std::filesystem::path& folder) {
  for (const auto& attribute : proto.attribute()) {
    char letter = letter_of(attribute);
    if (letter == '?' && attribute.type() == Proto::UNDEFINED) {  // an empty list, of whatever the rule says
      for (const AttributeRule& rule : attribute_rules(row))
        if (rule.name == attribute.name() && std::isupper(static_cast<unsigned char>(rule.letter)))
          letter = rule.letter;
    }
    const std::string name = printable(attribute.name());
    if (letter == '?') unsupported(node, "attribute {} is {}", name, attribute_words(letter));
    if (node.has(attribute.name())) refuse(node, "attribute {} is given twice", name);
    node.attributes[attribute.name()] = value_of(node, attribute, letter, folder);
  }
}

Tensor constant_value(const Node& node, const ::onnx::NodeProto& proto, const std::filesystem::path& folder) {
  if (proto.attribute_size() != 1) refuse(node, "{} attributes instead of one", proto.attribute_size());
  const Proto& attribute = proto.attribute(0);
  const std::string& name = attribute.name();
  const char letter = letter_of(attribute);
  if (name == "value" && letter == 't') return tensor_attribute(node, attribute, folder);
  if (name == "value_int" && letter == 'i') return Tensor::from<std::int64_t>({}, {attribute.i()});
  if (name == "value_float" && letter == 'f') return Tensor::from<float>({}, {attribute.f()});
  if (name == "value_ints" && (letter == 'I' || letter == '?'))
    return Tensor::from<std::int64_t>({attribute.ints_size()},
                                      {attribute.ints().begin(), attribute.ints().end()});
  if (name == "value_floats" && (letter == 'F' || letter == '?'))
    return Tensor::from<float>({attribute.floats_size()},
                               {attribute.floats().begin(), attribute.floats().end()});
  unsupported(node, "attribute {} ({}) is not supported", printable(name), attribute_words(letter));
}

}  // namespace edgeclip::builder
