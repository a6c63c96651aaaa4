#include <onnx/onnx_pb.h>

#include <cstring>

#include "builder/verify.h"
#include "onnx/graph_builder.h"
#include "small_export.h"

/// verify names the layer in which a file begins to differ from LibTorch.
namespace edgeclip {
namespace {

using namespace test;

/// Adds 1 to an initializer of a file of the bundle, whose checksums become right again.
void damage(const std::filesystem::path& folder, const char* file, const std::string& initializer) {
  ::onnx::ModelProto model = onnx_ir::read_model(folder / file);
  bool found = false;
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() != initializer) continue;
    std::string bytes = tensor.raw_data();
    for (std::size_t i = 0; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
      float value;
      std::memcpy(&value, bytes.data() + i, sizeof value);
      value += static_cast<float>(i % 3) - 1;
      std::memcpy(bytes.data() + i, &value, sizeof value);
    }
    tensor.set_raw_data(bytes);
    found = true;
  }
  ASSERT_TRUE(found) << initializer;
  const Bundle bundle = open_bundle(folder);
  onnx_ir::write_model(folder / file, model);
  write_bundle_json(folder, bundle);
}

TEST(VerifyLayers, NamesTheFirstThatDiffers) {
  const TempDir dir;
  export_to(dir, small_checkpoint("quick_gelu", 24));
  builder::VerifyOptions options;
  options.bundle = (dir / "bundle").string();
  const Json good = builder::verify_bundle(options);
  EXPECT_TRUE(good["passed"].get<bool>());
  EXPECT_TRUE(good["first_layer"].is_null());
  ASSERT_GE(good["layers"].size(), 6u);
  for (const Json& layer : good["layers"]) EXPECT_LT(layer["relative"].get<double>(), 1e-4) << layer;

  damage(dir / "bundle", "text.onnx", "text_model.encoder.layers.1.mlp.fc2.bias");
  const Json bad = builder::verify_bundle(options);
  EXPECT_FALSE(bad["passed"].get<bool>());
  EXPECT_NE(bad["first_layer"].get<std::string>().find("text_model/encoder/layers.1/"), std::string::npos) << bad["first_layer"];
}

TEST(VerifyLayers, DoesWithoutWhereABundleHasNone) {
  const TempDir dir;
  export_to(dir, small_checkpoint("quick_gelu", 24));
  Bundle bundle = open_bundle(dir / "bundle");
  std::filesystem::remove(bundle.layers());
  write_bundle_json(dir / "bundle", bundle);
  builder::VerifyOptions options;
  options.bundle = (dir / "bundle").string();
  const Json report = builder::verify_bundle(options);
  EXPECT_TRUE(report["passed"].get<bool>());
  EXPECT_EQ(report["layers"], Json::array());
  EXPECT_TRUE(report["first_layer"].is_null());
}

}  // namespace
}  // namespace edgeclip
