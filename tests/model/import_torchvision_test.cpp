#include <fstream>

#include "base/error.h"
#include "model/import/import.h"
#include "tiny_clip.h"

/// The golden ResNet (tests/golden/tiny_towers) in all states a file of torchvision's may be in.
namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;
using Tensors = std::map<std::string, Tensor>;
using Changed = std::function<void(Tensors&)>;

fs::path resnet_file() { return golden("tiny_towers/resnet/model.safetensors"); }

Checkpoint import_resnet(const fs::path& resnet, Json* report = nullptr) {
  ImportOptions options;
  options.image = resnet.string();
  options.leave_out_extra = true;
  options.text = golden("tiny_towers/distilbert_hf").string();
  Json ignored;
  return import_model(options, report != nullptr ? report : &ignored);
}

Tensors tensors_of(const fs::path& file) {
  const SafetensorsFile opened(file);
  Tensors tensors;
  for (const auto& name : opened.names()) tensors[name] = opened.get(name);
  return tensors;
}

/// Writes the golden ResNet as change leaves it.
fs::path write_changed(const TempDir& dir, const Changed& change) {
  Tensors tensors = tensors_of(resnet_file());
  change(tensors);
  write_safetensors(dir / "resnet.safetensors", NamedTensors(tensors.begin(), tensors.end()));
  return dir / "resnet.safetensors";
}

void expect_the_golden_tower(const Checkpoint& checkpoint) {
  const Tensors expected = tensors_of(resnet_file());
  std::size_t compared = 0;
  const auto compare = [&](const auto& items) {
    for (const auto& item : items) {
      EXPECT_TRUE(torch::equal(item.value(), from_tensor(expected.at(item.key()).view()))) << item.key();
      ++compared;
    }
  };
  compare(checkpoint.model->vision_model->named_parameters());
  compare(checkpoint.model->vision_model->named_buffers());
  EXPECT_EQ(compared, expected.size());
}

/// What torch.save wrote before its zip, and many of torchvision's files still are: five pickles, then the
/// storages.
class LegacyFile {
 public:
  void add(const std::string& name, const Tensor& tensor) {
    const std::int64_t count = tensor.elements();
    text(items_, name);
    items_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    text(items_, "storage");
    items_ += tensor.dtype() == DType::i64 ? "ctorch\nLongStorage\n" : "ctorch\nFloatStorage\n";
    text(items_, std::to_string(keys_));
    text(items_, "cpu");
    items_ += 'J';
    number(items_, count);
    items_.append("NtQK\0", 5);  // the persistent id, and the offset 0
    Shape strides(tensor.shape().size(), 1);
    for (std::size_t d = strides.size(); d-- > 1;) strides[d - 1] = strides[d] * tensor.shape()[d];
    tuple(items_, tensor.shape());
    tuple(items_, strides);
    items_ += "\x89";  // requires_grad, then hooks
    items_ += "ccollections\nOrderedDict\n)RtR";
    text(key_list_, std::to_string(keys_++));
    storages_.append(reinterpret_cast<const char*>(&count), sizeof count);
    storages_.append(reinterpret_cast<const char*>(tensor.raw()), tensor.bytes());
  }
  void write(const fs::path& path) const {
    std::ofstream file(path, std::ios::binary);
    file << "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."
         << "\x80\x02M\xe9\x03."
         << "\x80\x02}.";
    file << "\x80\x02"
         << "ccollections\nOrderedDict\n)R(" << items_ << "u.";
    file << "\x80\x02](" << key_list_ << "e." << storages_;
  }

 private:
  static void number(std::string& out, std::int64_t value) {
    const auto narrow = static_cast<std::int32_t>(value);
    out.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  }
  static void text(std::string& out, const std::string& value) {
    out += 'X';
    number(out, static_cast<std::int64_t>(value.size()));
    out += value;
  }
  static void tuple(std::string& out, const Shape& values) {
    out += '(';
    for (const auto value : values) {
      out += 'J';
      number(out, value);
    }
    out += 't';
  }

  int keys_ = 0;
  std::string items_, key_list_, storages_;
};

TEST(ImportTorchvision, SizesAreReadFromTheTensors) {
  Json report;
  const Checkpoint checkpoint = import_resnet(resnet_file(), &report);
  expect_the_golden_tower(checkpoint);
  const VisionConfig& v = checkpoint.config.vision;
  EXPECT_EQ(v.depths, (std::vector<int>{1, 1, 1, 1}));
  EXPECT_EQ(v.hidden_sizes, (std::vector<int>{16, 32, 48, 64}));
  EXPECT_EQ(v.embedding_size, 8);
  EXPECT_EQ(v.image_height, 224);
  EXPECT_TRUE(report["unused"].empty() && report["ignored"].empty() && report["not_finite"].empty());
}

TEST(ImportTorchvision, SeveralBlocksPerStage) {
  TempDir dir;
  const fs::path file = write_changed(dir, [](Tensors& tensors) {
    for (const auto& [name, tensor] : tensors_of(resnet_file())) {
      if (name.find("layer4.0.") != 0 || name.find("downsample") != std::string::npos) continue;
      const bool first = name == "layer4.0.conv1.weight";  // from the stage's own width
      tensors["layer4.1." + name.substr(9)] = first ? Tensor(DType::f32, {16, 64, 1, 1}) : tensor;
    }
  });
  EXPECT_EQ(import_resnet(file).config.vision.depths, (std::vector<int>{1, 1, 1, 2}));
}

TEST(ImportTorchvision, Pth) {
  TempDir dir;
  LegacyFile file;
  for (const auto& [name, tensor] : tensors_of(resnet_file())) file.add(name, tensor);
  file.write(dir / "resnet.pth");
  expect_the_golden_tower(import_resnet(dir / "resnet.pth"));
  fs::resize_file(dir / "resnet.pth", fs::file_size(dir / "resnet.pth") - 100);
  EXPECT_NE(invalid_input_of([&] { import_resnet(dir / "resnet.pth"); }).find("resnet.pth"),
            std::string::npos);
}

TEST(ImportTorchvision, TheClassifierIsLeftOutAndNamed) {
  TempDir dir;
  Json report;
  expect_the_golden_tower(import_resnet(write_changed(dir,
                                                      [](Tensors& tensors) {
                                                        tensors["fc.weight"] = Tensor(DType::f32, {10, 64});
                                                        tensors["fc.bias"] = Tensor(DType::f32, {10});
                                                        tensors["extra.weight"] = Tensor(DType::f32, {3});
                                                      }),
                                        &report));
  EXPECT_EQ(report["ignored"].size(), 2u);
  EXPECT_EQ(report["unused"], Json({"extra.weight"}));
}

TEST(ImportTorchvision, FilesOlderThanTheCountersAreWhole) {
  TempDir dir;
  Json report;
  import_resnet(write_changed(dir,
                              [](Tensors& tensors) {
                                std::erase_if(tensors, [](const auto& item) {
                                  return item.first.find("num_batches_tracked") != std::string::npos;
                                });
                              }  // namespace
                              ),
                &report);
  EXPECT_EQ(report["initialized"].size(), 17u + 3u);  // and both heads and the scale
}  // namespace edgeclip

TEST(ImportTorchvision, ValuesThatAreNotFiniteAreNamed) {
  TempDir dir;
  Json report;
  import_resnet(write_changed(dir,
                              [](Tensors& tensors) {
                                tensors["bn1.bias"] = tensors["bn1.bias"].clone();
                                tensors["bn1.bias"].data<float>()[3] =
                                    std::numeric_limits<float>::quiet_NaN();
                              }),
                &report);
  EXPECT_EQ(report["not_finite"], Json({"bn1.bias"}));
}

TEST(ImportTorchvision, DamagedWeightsAreRefusedByName) {
  const std::pair<Changed, std::vector<const char*>> cases[] = {
      {[](Tensors& t) { t.erase("layer3.0.bn2.running_var"); },
       {"resnet.safetensors", "\"layer3.0.bn2.running_var\" is missing"}},
      {[](Tensors& t) { t.erase("layer4.0.conv1.weight"); }, {"\"layer4.0.conv1.weight\" is missing"}},
      {[](Tensors& t) {
         t["layer2.0.conv2.weight"] = Tensor(DType::f32, {8, 8, 3, 1});
       },
       {"\"layer2.0.conv2.weight\"", "(8, 8, 3, 1)", "(8, 8, 3, 3)"}},
      {[](Tensors& t) {
         t["conv1.weight"] = Tensor(DType::f32, {8, 147});
       },
       {"conv1.weight", "(8, 147)"}},
      {[](Tensors& t) { t["bn1.weight"] = Tensor(DType::u16, {8}); }, {"bn1.weight", "uint16"}},
      {[](Tensors& t) { t["bn1.num_batches_tracked"] = Tensor(DType::f32, {}); },
       {"bn1.num_batches_tracked", "float32", "int64"}},
      {[](Tensors& t) { std::erase_if(t, [](auto& i) { return i.first.find("conv3") != i.first.npos; }); },
       {"BasicBlock", "ResNet-18"}},
      {[](Tensors& t) {
         t["layer1.0.conv1.weight"] = Tensor(DType::f32, {8, 8, 1, 1});
       },
       {"8 channels inside", "wide"}},
  };
  TempDir dir;
  for (const auto& [change, parts] : cases) {
    const fs::path file = write_changed(dir, change);
    const std::string message = invalid_input_of([&] { import_resnet(file); });
    for (const char* part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << part << ": " << message;
  }
}

}  // namespace
}  // namespace edgeclip
