#include <onnx/onnx_pb.h>

#include <cstring>

#include "base/file.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"
#include "support/support.h"

namespace edgeclip::onnx_ir {
namespace {

using namespace test;
using ::onnx::TensorProto;

Tensor read(const TensorProto& proto, const std::filesystem::path& folder = ".") {
  return tensor_from_proto(proto, folder, "t");
}
std::string refusal(const TensorProto& proto, const std::filesystem::path& folder = ".") {
  return invalid_input_of([&] { read(proto, folder); });
}

TEST(TensorProto, EveryTypeComesBack) {
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16,
                            DType::u16, DType::i32, DType::u32, DType::i64, DType::u64, DType::boolean}) {
    Tensor tensor(dtype, {2, 3});
    for (std::size_t i = 0; i < tensor.bytes(); ++i) tensor.raw()[i] = static_cast<std::byte>(i % 2);
    TensorProto proto;
    tensor_to_proto(tensor.view(), "t", &proto);
    const Tensor back = read(proto);
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.shape(), tensor.shape());
    EXPECT_EQ(std::memcmp(back.raw(), tensor.raw(), tensor.bytes()), 0) << dtype_name(dtype);
  }
}

TEST(TensorProto, TypedFieldsAreRead) {
  TensorProto proto;
  proto.set_data_type(TensorProto::FLOAT16);
  proto.add_dims(2);
  proto.add_int32_data(0x3C00);
  proto.add_int32_data(0xC000);
  const Tensor half = read(proto);
  EXPECT_EQ(reinterpret_cast<const std::uint16_t*>(half.raw())[1], 0xC000);
  proto.set_data_type(TensorProto::INT8);
  proto.set_int32_data(1, -5);
  EXPECT_EQ(read(proto).data<std::int8_t>()[1], -5);
  proto.add_int32_data(1);
  EXPECT_NE(refusal(proto).find("3 values"), std::string::npos);
  proto.set_data_type(TensorProto::UINT32);
  proto.add_uint64_data(7);
  proto.add_uint64_data(4000000000u);
  EXPECT_EQ(read(proto).data<std::uint32_t>()[1], 4000000000u);
  TensorProto scalar;
  scalar.set_data_type(TensorProto::FLOAT);
  scalar.add_float_data(2.5f);
  EXPECT_EQ(read(scalar).data<float>()[0], 2.5f);
}

TEST(TensorProto, RefusesSizesThatLie) {
  TensorProto proto;
  proto.set_data_type(TensorProto::FLOAT);
  proto.add_dims(2);
  proto.set_raw_data("1234");
  EXPECT_NE(refusal(proto).find("4 bytes"), std::string::npos);
  proto.set_dims(0, -1);
  EXPECT_NE(refusal(proto).find("shape"), std::string::npos);
  proto.set_dims(0, std::int64_t{1} << 62);
  proto.add_dims(std::int64_t{1} << 62);
  EXPECT_NE(refusal(proto).find("shape"), std::string::npos);
  proto.set_data_type(TensorProto::STRING);
  EXPECT_NE(refusal(proto).find("STRING"), std::string::npos);
  proto.set_data_type(99);
  EXPECT_NE(refusal(proto).find("99"), std::string::npos);
}

TensorProto external(const std::string& location, const std::string& offset = "0",
                     const std::string& length = "") {
  TensorProto proto;
  proto.set_data_type(TensorProto::FLOAT);
  proto.add_dims(2);
  proto.set_data_location(TensorProto::EXTERNAL);
  const auto entry = [&](const char* key, const std::string& value) {
    auto* e = proto.add_external_data();
    e->set_key(key);
    e->set_value(value);
  };
  if (!location.empty()) entry("location", location);
  entry("offset", offset);
  if (!length.empty()) entry("length", length);
  return proto;
}

TEST(TensorProto, ExternalDataOnlyFromTheModelsFolder) {
  const TempDir dir;
  const auto folder = dir / "model";
  std::filesystem::create_directories(folder / "sub");
  const float values[] = {1, 2, 3};
  write_text(folder / "sub/w.bin", std::string(reinterpret_cast<const char*>(values), sizeof values));
  write_text(dir / "secret.bin", std::string(64, 'x'));
  std::filesystem::create_symlink(dir / "secret.bin", folder / "link.bin");
  EXPECT_EQ(read(external("sub/w.bin", "4", "8"), folder).data<float>()[1], 3);
  EXPECT_EQ(read(external("./sub/../sub/w.bin"), folder).data<float>()[0], 1);
  for (const std::string& outside : {std::string("../secret.bin"), (dir / "secret.bin").string(),
                                     std::string("link.bin"), std::string("..")})
    EXPECT_NE(refusal(external(outside), folder).find("outside the model's folder"), std::string::npos)
        << outside;
  EXPECT_NE(refusal(external("sub/w.bin", "8"), folder).find("has 12"), std::string::npos);
  EXPECT_NE(refusal(external("sub/w.bin", "0", "4"), folder).find("length 4"), std::string::npos);
  EXPECT_NE(refusal(external("sub/w.bin", "-4"), folder).find("offset"), std::string::npos);
  EXPECT_NE(refusal(external("sub/w.bin", "999999999999999999"), folder).find("999999999999999999"),
            std::string::npos);
  EXPECT_NE(refusal(external("", "0"), folder).find("no location"), std::string::npos);
  refusal(external("absent.bin"), folder);
  refusal(external("sub"), folder);
  refusal(external("."), folder);
}

TEST(ModelFile, ComesBackAndRefusesWhatIsNone) {
  const TempDir dir;
  GraphBuilder g("test");
  g.output(g.sigmoid(g.input("x", DType::f32, {-1}, {"batch"})), "y", {"batch"});
  write_model(dir / "m.onnx", g.model());
  EXPECT_EQ(read_model(dir / "m.onnx").SerializeAsString(), whole(g.model()).SerializeAsString());
  const std::string bytes = read_file(dir / "m.onnx");
  const auto refused = [&](const std::string& content) {
    write_text(dir / "bad.onnx", content);
    return invalid_input_of([&] { read_model(dir / "bad.onnx"); });
  };
  EXPECT_NE(refused("").find("empty"), std::string::npos);
  EXPECT_NE(refused("{\"json\": true}").find("not an ONNX model"), std::string::npos);
  EXPECT_NE(refused(std::string(1000, '\0')).find("not an ONNX model"), std::string::npos);
  // Cut anywhere, it is refused or lacks the parts that come last; it never crashes.
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    write_text(dir / "bad.onnx", bytes.substr(0, size));
    try {
      read_model(dir / "bad.onnx");
      ADD_FAILURE() << "a model cut to " << size << " bytes was read";
    } catch (const InvalidInput&) {
    }
  }
  EXPECT_NE(invalid_input_of([&] { read_model(dir / "absent.onnx"); }).find("absent.onnx"),
            std::string::npos);
}

TEST(ModelFileGolden, MalformedModelsNeverCrash) {
  EDGECLIP_REQUIRE_PARITY(folder, "onnx/malformed");
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    ++seen;
    try {
      const auto model = read_model(entry.path());
      for (const auto& tensor : model.graph().initializer())
        tensor_from_proto(tensor, entry.path().parent_path(), entry.path().string());
    } catch (const InvalidInput&) {
    }
  }
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace edgeclip::onnx_ir
