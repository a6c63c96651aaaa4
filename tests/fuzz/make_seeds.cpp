// Writes the binary seeds below tests/fuzz/corpus:  ninja -C build/fuzz make_seeds &&
// build/fuzz/bin/make_seeds tests/fuzz/corpus
#include <cstddef>
#include <cstdio>
#include <cstdlib>
// jpeglib.h needs size_t and FILE declared before it.
#include <jpeglib.h>
#include <onnx/onnx_pb.h>
#include <png.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <variant>

#include "base/file.h"
#include "builder/import/onnx_import.h"
#include "builder/passes/passes.h"
#include "data/image/image.h"
#include "engine/plan/plan_file.h"
#include "onnx/graph_builder.h"

namespace fs = std::filesystem;
using namespace edgeclip;

namespace {

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  std::printf("%s: %zu bytes\n", path.c_str(), bytes.size());
}

/// Small pictures with an edge.
std::vector<std::uint8_t> pixels(int width, int height, int channels) {
  std::vector<std::uint8_t> out;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        out.push_back(static_cast<std::uint8_t>(x < 3 ? 200 : 16 * y + 40 * c));
  return out;
}

std::string jpeg(int channels, bool progressive, bool subsampled, const std::string& exif = {}) {
  constexpr int kWidth = 10, kHeight = 9;
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = kWidth;
  info.image_height = kHeight;
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  info.optimize_coding = TRUE;
  for (int c = 0; !subsampled && c < info.num_components; ++c)
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  if (progressive) jpeg_simple_progression(&info);
  if (!subsampled) info.restart_interval = 1;
  jpeg_start_compress(&info, TRUE);
  if (!exif.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  auto rows = pixels(kWidth, kHeight, channels);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = rows.data() + info.next_scanline * static_cast<unsigned>(kWidth * channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<char*>(data), size);
  jpeg_destroy_compress(&info);
  std::free(data);
  return bytes;
}

/// Orientation 6, as a camera writes it.
std::string exif() {
  return std::string("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 32);
}

std::string png(int colour_type, int bit_depth, bool interlaced, bool with_exif = false) {
  constexpr int kWidth = 9, kHeight = 7;
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, png_size_t n) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), n);
      },
      nullptr);
  png_set_IHDR(png, info, kWidth, kHeight, bit_depth, colour_type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_color palette[4] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {9, 9, 9}};
  if (colour_type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 4);
  std::string turned = exif().substr(6);
  if (with_exif)
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(turned.size()),
                   reinterpret_cast<png_bytep>(turned.data()));
  png_write_info(png, info);
  const std::size_t stride = png_get_rowbytes(png, info);
  std::vector<std::uint8_t> rows(stride * kHeight);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<std::uint8_t>(colour_type == PNG_COLOR_TYPE_PALETTE ? 0x1B : i * 5);
  std::vector<png_bytep> pointers;
  for (int y = 0; y < kHeight; ++y) pointers.push_back(rows.data() + static_cast<std::size_t>(y) * stride);
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

/// An ONNX model written node by node.
class Model {
 public:
  using Value = std::variant<int, float, std::string, std::vector<std::int64_t>>;
  using Attributes = std::vector<std::pair<std::string, Value>>;

  explicit Model(int opset = 17) {
    proto_.set_ir_version(8);
    proto_.add_opset_import()->set_version(opset);
    proto_.mutable_graph()->set_name("g");
  }
  /// dims: numbers, or names of dynamic dimensions.
  Model& input(const std::string& name, int type, const std::vector<std::variant<int, std::string>>& dims) {
    auto* info = proto_.mutable_graph()->add_input();
    info->set_name(name);
    auto* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    for (const auto& dim : dims) {
      auto* d = tensor->mutable_shape()->add_dim();
      if (const auto* n = std::get_if<int>(&dim)) d->set_dim_value(*n);
      if (const auto* s = std::get_if<std::string>(&dim)) d->set_dim_param(*s);
    }
    return *this;
  }
  template <class T>
  Model& constant(const std::string& name, const Shape& shape, const std::vector<T>& values) {
    onnx_ir::tensor_to_proto(Tensor::from<T>(shape, values).view(), name,
                             proto_.mutable_graph()->add_initializer());
    return *this;
  }
  /// 0, 1/4, 2/4, ...
  Model& floats(const std::string& name, const Shape& shape) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < num_elements(shape); ++i) values.push_back(static_cast<float>(i % 7) / 4);
    return constant<float>(name, shape, values);
  }
  Model& ints(const std::string& name, const std::vector<std::int64_t>& values) {
    return constant<std::int64_t>(name, {static_cast<std::int64_t>(values.size())}, values);
  }
  Model& node(const std::string& op, const std::vector<std::string>& inputs,
              const std::vector<std::string>& outputs, const Attributes& attributes = {}) {
    auto* node = proto_.mutable_graph()->add_node();
    node->set_op_type(op);
    for (const auto& name : inputs) node->add_input(name);
    for (const auto& name : outputs) node->add_output(name);
    for (const auto& [name, value] : attributes) {
      auto* a = node->add_attribute();
      a->set_name(name);
      if (const auto* i = std::get_if<int>(&value)) a->set_i(*i), a->set_type(onnx::AttributeProto::INT);
      if (const auto* f = std::get_if<float>(&value)) a->set_f(*f), a->set_type(onnx::AttributeProto::FLOAT);
      if (const auto* s = std::get_if<std::string>(&value))
        a->set_s(*s), a->set_type(onnx::AttributeProto::STRING);
      if (const auto* l = std::get_if<std::vector<std::int64_t>>(&value)) {
        for (const auto n : *l) a->add_ints(n);
        a->set_type(onnx::AttributeProto::INTS);
      }
    }
    return *this;
  }
  /// A chain of operators of one input each, from `from` on; the last value's name.
  std::string chain(std::string from, const std::vector<std::string>& operators) {
    for (const auto& op : operators) {
      node(op, {from}, {from + "." + op});
      from += "." + op;
    }
    return from;
  }
  Model& output(const std::string& name) {
    proto_.mutable_graph()->add_output()->set_name(name);
    return *this;
  }
  onnx::ModelProto& proto() { return proto_; }
  std::string bytes() const { return proto_.SerializeAsString(); }

 private:
  onnx::ModelProto proto_;
};

using Ints = std::vector<std::int64_t>;
constexpr int kFloat = onnx::TensorProto::FLOAT;

Model attention() {
  Model m;
  m.input("x", kFloat, {"batch", "tokens", 4}).floats("w", {4, 4}).floats("b", {4});
  m.node("LayerNormalization", {"x", "b", "b"}, {"n"}, {{"axis", -1}, {"epsilon", 1e-5f}});
  m.node("MatMul", {"n", "w"}, {"q"}).node("Add", {"q", "b"}, {"qb"}).node("Shape", {"x"}, {"s"});
  m.constant<std::int64_t>("zero", {}, {0}).constant<std::int64_t>("one", {}, {1}).ints("axes", {0});
  m.node("Gather", {"s", "zero"}, {"s0"}, {{"axis", 0}}).node("Gather", {"s", "one"}, {"s1"}, {{"axis", 0}});
  m.node("Unsqueeze", {"s0", "axes"}, {"u0"}).node("Unsqueeze", {"s1", "axes"}, {"u1"}).ints("heads", {2, 2});
  m.node("Concat", {"u0", "u1", "heads"}, {"shape"}, {{"axis", 0}}).node("Reshape", {"qb", "shape"}, {"h"});
  m.node("Transpose", {"h"}, {"t"}, {{"perm", Ints{0, 2, 1, 3}}})
      .node("Transpose", {"h"}, {"k"}, {{"perm", Ints{0, 2, 3, 1}}});
  m.node("MatMul", {"t", "k"}, {"scores"})
      .node("Softmax", {"scores"}, {"p"}, {{"axis", -1}})
      .node("MatMul", {"p", "t"}, {"o"});
  m.node("ReduceMean", {"o"}, {"mean"}, {{"axes", Ints{1, 2}}, {"keepdims", 0}});
  return m.output("mean").output("scores"), m;
}

Model convolutions() {
  Model m;
  m.input("x", kFloat, {"batch", 3, 9, 7}).floats("w", {4, 3, 3, 3}).floats("b", {4}).floats("fc", {4, 5});
  m.node("Conv", {"x", "w", "b"}, {"c"},
         {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 1, 1, 1}}});
  m.node("BatchNormalization", {"c", "b", "b", "b", "b"}, {"n"}).node("Relu", {"n"}, {"r"});
  m.node("MaxPool", {"r"}, {"p"}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", 1}});
  m.node("AveragePool", {"p"}, {"a"},
         {{"kernel_shape", Ints{2, 2}}, {"auto_pad", std::string("SAME_UPPER")}});
  m.node("GlobalAveragePool", {"a"}, {"g"})
      .node("Flatten", {"g"}, {"f"})
      .node("Gemm", {"f", "fc"}, {"y"}, {{"alpha", 0.5f}});
  return m.output("y"), m;
}

/// Everything follows from constants, so that the kernels run too.
Model constants() {
  Model m;
  m.floats("x", {2, 3, 4})
      .ints("three", {3, 2, 1})
      .ints("two", {2, 3})
      .ints("axis", {1})
      .ints("ends", {3})
      .ints("starts", {-2});
  m.constant<std::int64_t>("from", {}, {1})
      .constant<std::int64_t>("to", {}, {9})
      .constant<std::int64_t>("step", {}, {2});
  m.node("Range", {"from", "to", "step"}, {"range"})
      .node("ConstantOfShape", {"two"}, {"zeros"})
      .node("Expand", {"axis", "three"}, {"wide"});
  m.node("Slice", {"x", "starts", "ends", "axis"}, {"sliced"}).node("Tile", {"x", "three"}, {"tiled"});
  m.node("Split", {"x"}, {"s0", "s1"}, {{"axis", 2}})
      .node("Concat", {"s0", "s1", "x"}, {"joined"}, {{"axis", 2}});
  m.ints("pads", {0, 1, 0, 0, 1, 2})
      .node("Pad", {"x", "pads"}, {"padded"}, {{"mode", std::string("constant")}});
  m.node("Trilu", {"x"}, {"lower"}, {{"upper", 0}})
      .constant<std::int64_t>("dim", {}, {-1})
      .node("CumSum", {"x", "dim"}, {"sums"});
  m.node("ArgMax", {"x"}, {"best"}, {{"axis", 1}, {"keepdims", 1}})
      .node("Gather", {"x", "axis"}, {"rows"}, {{"axis", 1}});
  m.node("Greater", {"x", "sums"}, {"mask"})
      .node("Where", {"mask", "x", "lower"}, {"chosen"})
      .node("Cast", {"chosen"}, {"half"}, {{"to", 10}});
  m.node("ReduceMax", {"chosen"}, {"top"}, {{"axes", Ints{-1}}})
      .node("Size", {"half"}, {"size"})
      .node("Mod", {"range", "to"}, {"rest"});
  for (const char* name : {"range", "zeros", "wide", "sliced", "tiled", "joined", "padded", "best", "rows",
                           "half", "top", "size", "rest"})
    m.output(name);
  return m;
}

Model gathers() {
  Model m;
  m.floats("x", {2, 3})
      .constant<std::int64_t>("i", {2, 2}, {0, 1, -1, 0})
      .node("GatherElements", {"x", "i"}, {"a"}, {{"axis", 1}});
  m.node("GatherND", {"x", "i"}, {"b"})
      .ints("s", {-1, 0})
      .node("Reshape", {"x", "s"}, {"c"})
      .ints("u", {0, -1})
      .node("Unsqueeze", {"c", "u"}, {"d"});
  m.node("Squeeze", {"d"}, {"e"})
      .node("Pow", {"x", "x"}, {"f"})
      .node("Clip", {"f", "", ""}, {"g"})
      .node("Max", {"x", "f", "g"}, {"h"});
  m.node("CastLike", {"h", "i"}, {"j"})
      .node("Equal", {"j", "j"}, {"k"})
      .node("Not", {"k"}, {"l"})
      .node("Xor", {"k", "l"}, {"m"});
  for (const char* name : {"a", "b", "e", "m"}) m.output(name);
  return m;
}

Model unary(int opset) {
  Model m(opset);
  m.floats("x", {2, 2});
  m.output(
      m.chain("x", {"Sqrt", "Exp",     "Log",      "Erf",         "Tanh",       "Sin",   "Cos",       "Floor",
                    "Ceil", "Sigmoid", "Softplus", "HardSigmoid", "LeakyRelu",  "Elu",   "Relu",      "Abs",
                    "Neg",  "Sign",    "Identity", "Flatten",     "Reciprocal", "Round", "LogSoftmax"}));
  return m;
}

Model quantized() {
  Model m;
  m.input("x", kFloat, {"batch", 4})
      .constant<float>("scale", {}, {0.1f})
      .constant<std::uint8_t>("zero", {}, {128});
  m.constant<std::int8_t>("w", {4, 2}, {1, -2, 3, -4, 5, -6, 7, -8})
      .constant<float>("ws", {2}, {0.5f, 0.25f})
      .constant<std::int8_t>("wz", {2}, {0, 0});
  m.node("QuantizeLinear", {"x", "scale", "zero"}, {"q"})
      .node("DequantizeLinear", {"q", "scale", "zero"}, {"d"});
  m.node("DequantizeLinear", {"w", "ws", "wz"}, {"wd"}, {{"axis", 1}}).node("MatMul", {"d", "wd"}, {"y"});
  m.node("MatMulInteger", {"q", "w", "zero"}, {"i"}).node("DynamicQuantizeLinear", {"y"}, {"dq", "ds", "dz"});
  m.node("QLinearMatMul", {"q", "scale", "zero", "w", "ws", "wz", "scale", "zero"}, {"z"});
  return m.output("i").output("dq").output("z"), m;
}

/// Weights beside the model, and in each of the fields of a tensor.
Model stored() {
  Model m;
  auto* outside = m.proto().mutable_graph()->add_initializer();
  outside->set_name("outside");
  outside->set_data_type(kFloat);
  outside->add_dims(3);
  outside->set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair("location", "weights"), {"offset", "16"}, {"length", "12"}}) {
    auto* entry = outside->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  auto* fields = m.proto().mutable_graph()->add_initializer();
  fields->set_name("fields");
  fields->set_data_type(kFloat);
  fields->add_dims(3);
  for (const float v : {1.0f, 2.0f, 3.0f}) fields->add_float_data(v);
  auto* halves = m.proto().mutable_graph()->add_initializer();
  halves->set_name("halves");
  halves->set_data_type(onnx::TensorProto::FLOAT16);
  halves->add_dims(1);
  halves->add_int32_data(15360);
  m.node("Add", {"outside", "fields"}, {"sum"})
      .node("CastLike", {"halves", "sum"}, {"wide"})
      .node("Mul", {"sum", "wide"}, {"y"});
  auto* constant = m.proto().mutable_graph()->add_node();
  constant->set_op_type("Constant");
  constant->add_output("k");
  auto* value = constant->add_attribute();
  value->set_name("value_floats");
  value->set_type(onnx::AttributeProto::FLOATS);
  value->add_floats(2);
  m.node("Sub", {"y", "k"}, {"z"});
  return m.output("z"), m;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: make_seeds tests/fuzz/corpus\n"), 2;
  const fs::path corpus = argv[1];
  for (const auto& [name, bytes] : {std::pair<const char*, std::string>{"jpeg_rgb", jpeg(3, false, true)},
                                    {"jpeg_grey", jpeg(1, false, false)},
                                    {"jpeg_cmyk", jpeg(4, false, false)},
                                    {"jpeg_progressive", jpeg(3, true, true)},
                                    {"jpeg_turned", jpeg(3, false, false, exif())},
                                    {"png_rgb", png(PNG_COLOR_TYPE_RGB, 8, false)},
                                    {"png_rgba16", png(PNG_COLOR_TYPE_RGB_ALPHA, 16, true)},
                                    {"png_grey1", png(PNG_COLOR_TYPE_GRAY, 1, true)},
                                    {"png_palette", png(PNG_COLOR_TYPE_PALETTE, 2, false)},
                                    {"png_turned", png(PNG_COLOR_TYPE_GRAY_ALPHA, 8, false, true)}})
    write(corpus / "images" / name, bytes);

  const fs::path work = fs::temp_directory_path() / "edgeclip-seeds";
  fs::create_directories(work);
  std::ofstream(work / "weights") << std::string(256, '\1');
  for (auto& [name, model] : {std::pair<const char*, Model>{"attention", attention()},
                              {"convolutions", convolutions()},
                              {"constants", constants()},
                              {"gathers", gathers()},
                              {"unary", unary(17)},
                              {"unary_opset11", unary(11)},
                              {"quantized", quantized()},
                              {"stored", stored()}}) {
    write(corpus / "onnx" / name, model.bytes());
    write(work / "model.onnx", model.bytes());
    engine::Graph graph =
        builder::import_onnx(work / "model.onnx");  // every seed is a model that can be read
    if (std::string(name).rfind("unary", 0) == 0 || std::string(name) == "constants") continue;
    builder::optimize(graph);
    engine::write_plan_graph(work / "graph.plan", graph);
    const std::string plan = read_file(work / "graph.plan");
    engine::PlanHeader header;
    std::copy_n(plan.data(), sizeof header, reinterpret_cast<char*>(&header));
    write(corpus / "plan" / (std::string(name) + ".graph"), plan.substr(sizeof header, header.graph_bytes));
    if (std::string(name) == "quantized") write(corpus / "plan" / name, plan);
  }
  fs::remove_all(work);
  return 0;
}
