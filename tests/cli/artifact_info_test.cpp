#include "cli/runtime/artifact_info.h"

#include <gtest/gtest.h>

#include "base/npy.h"
#include "base/safetensors.h"
#include "builder/small_model.h"
#include "cli/runtime/blas.h"
#include "cli/runtime/system_info.h"
#include "data/image/image.h"
#include "support/support.h"

namespace edgeclip {
namespace {

TEST(ArtifactInfo, Arrays) {
  const test::TempDir dir;
  write_npy(dir / "a.npy", Tensor(DType::f32, {2, 3}));
  const Json npy = artifact_info(dir / "a.npy");
  EXPECT_EQ(npy.at("kind"), "npy");
  EXPECT_EQ(npy.at("shape"), Json::parse("[2,3]"));
  EXPECT_EQ(npy.at("dtype"), "float32");

  write_safetensors(dir / "w.safetensors",
                    {{"a.weight", Tensor(DType::f16, {4})}, {"b", Tensor(DType::f32, {2, 2})}});
  const Json weights = artifact_info(dir / "w.safetensors");
  EXPECT_EQ(weights.at("kind"), "safetensors");
  EXPECT_EQ(weights.at("elements"), 8);
  EXPECT_EQ(weights.at("tensors").at("b"), "float32 (2, 2)");
}

TEST(ArtifactInfo, OnnxFilesHaveTypes) {
  const test::TempDir dir;
  engine::test::write_lookup(dir / "m.onnx");
  const Json info = artifact_info(dir / "m.onnx");
  EXPECT_EQ(info.at("inputs").at("ids"), "(batch)");
  EXPECT_EQ(info.at("dtype"), Json::parse(R"({"ids": "int64", "y": "float32"})"));
}

TEST(ArtifactInfo, PicturesAndReports) {
  const test::TempDir dir;
  write_png(dir / "p.png", Image(5, 3));
  const Json picture = artifact_info(dir / "p.png");
  EXPECT_EQ(picture.at("kind"), "image");
  EXPECT_EQ(picture.at("width"), 5);
  EXPECT_EQ(picture.at("height"), 3);
  test::write_text(dir / "r.json", R"({"command": "bench"})");
  EXPECT_EQ(artifact_info(dir / "r.json").at("report_of"), "bench");
}

TEST(ArtifactInfo, WhatAnInterruptedPruningLeaves) {
  const test::TempDir dir;
  std::filesystem::copy(test::golden("formats/v1/pruning.recovery"), dir / "p");
  const auto everything = std::filesystem::copy_options::recursive;
  std::filesystem::copy(test::golden("formats/v1/checkpoint"), dir / "p/pruned", everything);
  const Json info = artifact_info(dir / "p");
  EXPECT_EQ(info.at("kind"), "interrupted pruning");
  EXPECT_EQ(info.at("checkpoint"), "checkpoint");
  EXPECT_GT(info.at("neurons").at("before"), info.at("neurons").at("after"));
  EXPECT_TRUE(info.at("pruned").contains("card"));
  EXPECT_FALSE(info.at("recovering").get<bool>());
  std::filesystem::remove(dir / "p/pruned/model.safetensors");
  EXPECT_NE(test::invalid_input_of([&] { artifact_info(dir / "p"); }).find("model.safetensors"), std::string::npos);
}

TEST(ArtifactInfo, RefusesWhatIsNotOurs) {
  const test::TempDir dir;
  EXPECT_NE(test::invalid_input_of([&] { artifact_info(dir / "none"); }).find("not found"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { artifact_info(dir.path()); }).find("no folder of ours"),
            std::string::npos);
  test::write_text(dir / "x.xyz", "?");
  EXPECT_NE(test::invalid_input_of([&] { artifact_info(dir / "x.xyz"); }).find("no file of ours"),
            std::string::npos);
  test::write_text(dir / "empty.plan", "");
  EXPECT_NE(test::invalid_input_of([&] { artifact_info(dir / "empty.plan"); }).find("empty.plan"),
            std::string::npos);
  test::write_text(dir / "short.safetensors", "\x10");
  EXPECT_NE(
      test::invalid_input_of([&] { artifact_info(dir / "short.safetensors"); }).find("short.safetensors"),
      std::string::npos);
}

TEST(SystemInfo, NamesWhatDecidesAboutSpeed) {
  const Json info = system_info();
  EXPECT_GE(info.at("cpus").get<int>(), 1);
  EXPECT_GT(info.at("memory_mb").get<int>(), 0);
  EXPECT_TRUE(info.at("features").is_array());
  const Json& products = info.at("products");
  for (const char* precision : {"fp32", "bf16", "int8"}) EXPECT_GT(products.at("gmacs").at(precision).get<double>(), 0);
  EXPECT_DOUBLE_EQ(products.at("expected_speedup").at("int8").get<double>(),
                   products.at("gmacs").at("int8").get<double>() / products.at("gmacs").at("fp32").get<double>());
  EXPECT_TRUE(info.at("libraries").contains("oneDNN"));
}

TEST(Blas, TellsReferenceFromOpenBlas) {
  EXPECT_TRUE(is_reference_blas("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0"));
  EXPECT_FALSE(is_reference_blas("/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3"));
  EXPECT_FALSE(is_reference_blas(""));
}

}  // namespace
}  // namespace edgeclip
