#include "example_world.h"

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "base/npy.h"
#include "onnx/graph_builder.h"
#include "onnx/model.h"
#include "process.h"

namespace edgeclip::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTinyModel = R"({
  "model": {
    "vision": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [64],
               "image_height": 32, "image_width": 32, "patch_size": 8},
    "text": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": [64],
             "max_position_embeddings": 32},
    "projection_dim": 16
  },
  "batch": 16, "steps": 2, "seed": 1
})";

/// In place of the networks of the same file's name in the source tree, which train for hours.
constexpr const char* kTinyCompressions = R"({
  "queries": 8, "rounds": 1,
  "networks": {"given": {"checkpoint": "run/best"}},
  "rows": [{"name": "int8", "network": "given", "quantize": "static"}]
})";

std::string folder_of(const char* program) { return fs::path(program).parent_path().string(); }

ProcessResult in_shell(const fs::path& folder, const std::string& command) {
  std::string path = folder_of(EDGECLIP_EDGE_PROGRAM);
#ifdef EDGECLIP_PROGRAM
  path += ":" + folder_of(EDGECLIP_PROGRAM);
#endif
  return run({"/bin/sh", "-c", "cd '" + folder.string() + "' && export PATH='" + path + "':\"$PATH\" && " + command});
}

Tensor ramp(const Shape& shape) {
  Tensor t(DType::f32, shape);
  for (std::int64_t i = 0; i < t.elements(); ++i) t.data<float>()[i] = static_cast<float>(i % 17 - 8) / 8;
  return t;
}

Tensor ones(const Shape& shape) {
  Tensor t(DType::i64, shape);
  std::fill_n(t.data<std::int64_t>(), t.elements(), 1);
  return t;
}

/// Names that follow an option of an example: "--out plan/" has "plan".
std::vector<std::string> names_after(const std::string& example, const std::string& option) {
  std::vector<std::string> names;
  std::istringstream words(example);
  for (std::string word, before; words >> word; before = word)
    if (before == option) names.push_back(word.substr(0, word.find('/')));
  return names;
}

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::vector<std::string> examples_of(const std::string& program, const std::string& command) {
  std::istringstream help(run({program, command, "--help"}).out);
  std::vector<std::string> examples;
  bool listed = false;
  for (std::string line; std::getline(help, line);) {
    if (line == "Example:")
      listed = true;
    else if (listed && line.rfind("  edgeclip", 0) == 0)
      examples.push_back(line.substr(2));
  }
  return examples;
}

ExampleWorld::ExampleWorld(bool workshop) : base_(dir_ / "base") {
  fs::create_directory(base_);
  for (const char* folder : {"configs", "examples"}) fs::create_directory_symlink(fs::path(EDGECLIP_SOURCE_DIR) / folder, base_ / folder);
  if (const fs::path file = data("vocab/bpe_simple_vocab_16e6.txt.gz"); !file.empty()) fs::create_symlink(file, base_ / file.filename());
  if (workshop)
    make_workshop_inputs();
  else
    make_edge_inputs();
}

void ExampleWorld::make(const std::string& command) const {
  const ProcessResult result = in_shell(base_, command);
  if (result.code != 0) throw std::runtime_error(command + ": " + result.err);
}

/// model.onnx, resnet.onnx and bert.onnx, which have the inputs of such models, with their inputs; and a test as onnx/backend has them.
void ExampleWorld::make_models() const {
  namespace ir = onnx_ir;
  {
    ir::GraphBuilder g("model");
    const auto x = g.input("x", DType::f32, {-1, 6}, {"batch", ""});
    g.output(g.matmul(x, g.initializer("w", ramp({6, 4}))), "y", {"batch", ""});
    ir::write_model(base_ / "model.onnx", g.model());
    write_npy(base_ / "x.npy", ramp({3, 6}));
  }
  {
    ir::GraphBuilder g("resnet");
    const auto image = g.input("image", DType::f32, {-1, 3, 224, 224}, {"batch", "", "", ""});
    const auto features = g.node("Conv", {image, g.initializer("w", ramp({4, 3, 8, 8}))}, DType::f32, {-1, 4, 28, 28},
                                 {ir::Attr::integers("strides", {8, 8})});
    const auto active = g.node("Relu", {features}, DType::f32, {-1, 4, 28, 28});
    g.output(g.node("Conv", {active, g.initializer("v", ramp({8, 4, 1, 1}))}, DType::f32, {-1, 8, 28, 28}), "y", {"batch", "", "", ""});
    ir::write_model(base_ / "resnet.onnx", g.model());
    fs::create_directory(base_ / "samples");
    write_npy(base_ / "samples/image.npy", ramp({8, 3, 224, 224}));
  }
  {
    ir::GraphBuilder g("bert");
    const auto ids = g.input("input_ids", DType::i64, {-1, -1}, {"batch", "tokens"});
    const auto mask = g.input("attention_mask", DType::i64, {-1, -1}, {"batch", "tokens"});
    const auto rows = g.gather(g.initializer("table", ramp({5, 4})), ids, 0);
    const auto numbers = g.node("Cast", {mask}, DType::f32, {-1, -1}, {ir::Attr::integer("to", ir::dtype_to_onnx(DType::f32))});
    const auto seen = g.node("Unsqueeze", {numbers, g.constant({-1}, "axis")}, DType::f32, {-1, -1, 1});
    g.output(g.node("Mul", {g.matmul(rows, g.initializer("w", ramp({4, 4}))), seen}, DType::f32, {-1, -1, 4}), "y", {"batch", "tokens", ""});
    ir::write_model(base_ / "bert.onnx", g.model());
    write_npy(base_ / "ids.npy", ones({2, 7}));
    write_npy(base_ / "mask.npy", ones({2, 7}));
  }
  const fs::path test = base_ / "onnx/backend/test/data/node/test_relu";
  fs::create_directories(test / "set_0");
  ir::GraphBuilder g("relu");
  const auto x = g.input("x", DType::f32, {2, 6}, {"", ""});
  g.output(g.node("Relu", {x}, DType::f32, {2, 6}), "y", {"", ""});
  ir::write_model(test / "model.onnx", g.model());
  Tensor values = ramp({2, 6});
  write_npy(test / "set_0/in.x.npy", values);
  for (std::int64_t i = 0; i < values.elements(); ++i) values.data<float>()[i] = std::max(values.data<float>()[i], 0.0f);
  write_npy(test / "set_0/out.y.npy", values);
}

void ExampleWorld::make_edge_inputs() const {
  const auto copy = [&](const char* name) { fs::copy(golden(std::string("formats/v1/") + name), base_ / name, fs::copy_options::recursive); };
  for (const char* name : {"bundle", "dataset"}) copy(name);
  fs::copy(base_ / "dataset/images", base_ / "crops", fs::copy_options::recursive);
  fs::copy(base_ / "dataset/images/000010_0.png", base_ / "photo.jpg");  // images are known by their content
  write_text(base_ / "queries.txt", "a man in a red jacket\na woman\n");
  make("edgeclip-edge build --bundle bundle --out plan");
  make("edgeclip-edge build --bundle '" + golden("formats/v1/bundle-int8").string() + "' --precision int8 --out plan-int8");
  make("edgeclip-edge index --plan plan --images crops --out gallery");
  for (const char* part : {"1", "2"})
    make(std::string("edgeclip-edge index --plan plan --images crops --out shard") + part + " --shard " + part + "/2");
  make("edgeclip-edge gallery export --gallery gallery --out table");
  make_models();
}

void ExampleWorld::make_workshop_inputs() const {
  write_text(base_ / "tiny.json", kTinyModel);
  fs::remove(base_ / "configs");
  fs::copy(fs::path(EDGECLIP_SOURCE_DIR) / "configs", base_ / "configs", fs::copy_options::recursive);
  write_text(base_ / "configs/compress/market1501.json", kTinyCompressions);
  make("edgeclip synthesize --out dataset --people 84 --test-people 12 --val-people 8 --tokenizer train:200 --context-length 32");
  make_annotations();
  make("edgeclip train --config tiny.json --data dataset --out run");
  make("edgeclip train --init run/best --data dataset --out adapted --set lora_mode=adapter --set batch=16 --set steps=1");
  fs::create_directory_symlink("run/best", base_ / "clip");
  fs::create_directory_symlink("adapted", base_ / "day_run");
  fs::create_directory(base_ / "peft_folder");
  for (const char* file : {"adapter_model.safetensors", "adapter_config.json"}) fs::copy(base_ / "adapted/best" / file, base_ / "peft_folder" / file);
  make("edgeclip export --checkpoint run/best --format hf --out clip-vit-base-patch32");
  const std::string small = golden("formats/v1/dataset").string();  // with a model of its own
  make("edgeclip-edge build --bundle '" + golden("formats/v1/bundle").string() + "' --out plan");
  make("edgeclip-edge evaluate --plan plan --json evaluate.json --data '" + small + "'");
  make("edgeclip-edge bench --plan plan --queries 4 --json bench.json --data '" + small + "'");
  make("edgeclip-edge index --plan plan --out gallery --images '" + small + "'");
  make("edgeclip-edge search --plan plan --gallery gallery --text 'a woman' --top 3 --grid grid.png");
}

/// The dataset's records as they were before it was prepared.
void ExampleWorld::make_annotations() const {
  fs::create_directory_symlink("dataset", base_ / "images");
  Json records = Json::array();
  const auto rows = read_csv(base_ / "dataset/manifest.csv");  // split, id, path, caption
  for (std::size_t i = 1; i < rows.size(); ++i)
    records.push_back({{"split", rows[i][0]}, {"id", std::stoi(rows[i][1])}, {"file_path", rows[i][2]}, {"captions", {rows[i][3]}}});
  write_json(base_ / "annotations.json", records);
}

std::string ExampleWorld::try_example(const std::string& example) const {
  const TempDir here;
  const auto outputs = names_after(example, "--out");
  for (const auto& entry : fs::directory_iterator(base_)) {
    const std::string name = entry.path().filename().string();
    if (among(outputs, name)) continue;
    if (name == "gallery" && example.find(" gallery ") != std::string::npos)  // which it may change
      fs::copy(entry.path(), here / name, fs::copy_options::recursive);
    else
      fs::create_symlink(entry.path(), here / name);
  }
  const ProcessResult result = in_shell(here.path(), example);
  if (result.code == 0) return {};
  return example + ": exit code " + std::to_string(result.code) + "\n" + result.err + result.out;
}

}  // namespace edgeclip::test
