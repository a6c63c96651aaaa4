#include "builder/import/onnx_import.h"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <functional>

#include "engine/ops/interpreter.h"
#include "engine/runtime/session.h"
#include "onnx/graph_builder.h"
#include "support/support.h"

namespace edgeclip::builder {

using namespace engine;

namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

NodeProto* add_node(GraphProto* graph, const std::string& op, const std::string& name,
                    std::vector<std::string> inputs, std::vector<std::string> outputs) {
  NodeProto* node = graph->add_node();
  node->set_op_type(op);
  node->set_name(name);
  for (auto& input : inputs) node->add_input(input);
  for (auto& output : outputs) node->add_output(output);
  return node;
}

void add_tensor_info(::onnx::ValueInfoProto* info, const std::string& name,
                     const std::vector<std::int64_t>& dims) {
  info->set_name(name);
  auto* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(TensorProto::FLOAT);
  for (const auto d : dims) {
    auto* dim = type->mutable_shape()->add_dim();
    if (d >= 0)
      dim->set_dim_value(d);
    else
      dim->set_dim_param("n");
  }
}

/// x (2, 3) ─► Relu ─► y, changed by `change` before it is written.
struct Import : ::testing::Test {
  test::TempDir directory;
  ModelProto model;
  GraphProto* graph = model.mutable_graph();

  void SetUp() override {
    model.set_ir_version(8);
    auto* opset = model.add_opset_import();
    opset->set_version(17);
    add_tensor_info(graph->add_input(), "x", {2, 3});
    add_tensor_info(graph->add_output(), "y", {2, 3});
    add_node(graph, "Relu", "relu", {"x"}, {"y"});
  }
  NodeProto* node() { return graph->mutable_node(0); }

  Graph import() {
    onnx_ir::write_model(directory / "m.onnx", model);
    return import_onnx(directory / "m.onnx");
  }
  /// The error must name the file and hold every word.
  void expect_refused(const std::vector<std::string>& words) {
    const std::string message = test::invalid_input_of([&] { import(); });
    EXPECT_NE(message.find("m.onnx"), std::string::npos) << message;
    for (const auto& word : words)
      EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
  }
};

TEST_F(Import, ReadsAGraph) {
  const Graph g = import();
  ASSERT_EQ(g.nodes().size(), 1U);
  EXPECT_EQ(g.nodes()[0].name, "relu");
  EXPECT_EQ(g.nodes()[0].opset, 17);
  EXPECT_EQ(g.value(g.inputs.at(0)).name, "x");
  EXPECT_EQ(g.value(g.outputs.at(0)).shape, (Shape{2, 3}));
}

TEST_F(Import, SymbolsAreKept) {
  graph->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("batch");
  const Graph g = import();
  EXPECT_EQ(g.value(g.inputs[0]).shape, (Shape{-1, 3}));
  EXPECT_EQ(g.value(g.inputs[0]).symbols, (std::vector<std::string>{"batch", ""}));
  EXPECT_EQ(g.value(g.outputs[0]).shape, (Shape{-1, 3}));
}

TEST_F(Import, SortsNodes) {
  node()->set_input(0, "late");
  add_node(graph, "Exp", "exp", {"x"}, {"late"});
  const Graph g = import();
  EXPECT_EQ(g.nodes()[0].op, "Exp");
}

TEST_F(Import, ConstantNodesBecomeConstants) {
  node()->set_op_type("Add");
  node()->add_input("c");
  auto* constant = add_node(graph, "Constant", "c_node", {}, {"c"});
  auto* value = constant->add_attribute();
  value->set_name("value_float");
  value->set_type(AttributeProto::FLOAT);
  value->set_f(2.5F);
  const Graph g = import();
  ASSERT_EQ(g.nodes().size(), 1U);
  ASSERT_TRUE(g.value(g.nodes()[0].inputs[1]).is_constant());
  EXPECT_EQ(*g.value(g.nodes()[0].inputs[1]).constant->data<float>(), 2.5F);
}

TEST_F(Import, TrailingOptionalInputsMayBeEmpty) {
  node()->set_op_type("Clip");
  node()->add_input("");
  node()->add_input("");
  EXPECT_EQ(import().nodes()[0].inputs.size(), 1U);
}

TEST_F(Import, BoolsAreZeroOrOne) {
  node()->set_op_type("Where");
  node()->set_input(0, "c");
  node()->add_input("x");
  node()->add_input("x");
  auto* c = graph->add_initializer();
  c->set_name("c");
  c->set_data_type(TensorProto::BOOL);
  c->add_dims(1);
  c->set_raw_data(std::string(1, '\x42'));
  const Graph g = import();
  EXPECT_EQ(g.value(g.nodes()[0].inputs[0]).constant->raw()[0], std::byte{1});
}

TEST_F(Import, RefusesUnknownOperators) {
  node()->set_op_type("Frobnicate");
  expect_refused({"relu", "Frobnicate", "opset 17", "does not have"});
}

TEST_F(Import, RefusesOpsetsAnOperatorDoesNotCover) {
  node()->set_op_type("LayerNormalization");
  model.mutable_opset_import(0)->set_version(16);
  expect_refused({"relu", "LayerNormalization", "opset 17 to"});
}

TEST_F(Import, RefusesOtherDomains) {
  node()->set_domain("com.example");
  expect_refused({"relu", "com.example", "which the model does not import"});
  auto* opset = model.add_opset_import();
  opset->set_domain("com.example");
  opset->set_version(3);
  expect_refused({"relu", "opset 3", "com.example"});
}

TEST_F(Import, OurOwnDomainIsNotReadFromFiles) {
  auto* opset = model.add_opset_import();
  opset->set_domain("edgeclip");
  opset->set_version(1);
  node()->set_domain("edgeclip");
  for (const char* op : {"Nothing", "QuickGelu"}) {
    node()->set_op_type(op);
    expect_refused({"edgeclip"});
  }
}

TEST_F(Import, WhatMustBeThereCannotBeLeftOut) {
  node()->set_op_type("Sum");
  node()->add_input("");
  node()->add_input("x");
  expect_refused({"relu", "input 1 is left out"});
}

TEST_F(Import, AnUnusedFirstOutputOfSplitRuns) {
  node()->set_op_type("Split");
  node()->set_output(0, "");
  node()->add_output("y");
  graph->mutable_output(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(1);
  const Session session(import(), {});
  Context context(session);
  const Tensor x = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(context.run({x.view()}).at(0).data<float>()[0], 4.0F);
}

TEST_F(Import, RefusesCycles) {
  node()->set_input(0, "z");
  add_node(graph, "Exp", "exp", {"y"}, {"z"});
  expect_refused({"not acyclic", "relu"});
}

TEST_F(Import, RefusesANodeThatReadsItself) {
  node()->set_input(0, "y");
  expect_refused({"relu", "its own output"});
}

TEST_F(Import, RefusesValuesThatNothingDefines) {
  node()->set_input(0, "ghost");
  expect_refused({"relu", "'ghost'"});
}

TEST_F(Import, RefusesOutputsThatNothingMakes) {
  graph->mutable_output(0)->set_name("ghost");
  expect_refused({"'ghost'"});
}

TEST_F(Import, RefusesValuesMadeTwice) {
  add_node(graph, "Exp", "exp", {"x"}, {"y"});
  expect_refused({"'y' is made twice"});
}

TEST_F(Import, RefusesOutputsListedTwice) {
  add_tensor_info(graph->add_output(), "y", {2, 3});
  expect_refused({"'y' is listed twice"});
}

TEST_F(Import, RefusesWrongAttributeTypes) {
  node()->set_op_type("Softmax");
  auto* axis = node()->add_attribute();
  axis->set_name("axis");
  axis->set_type(AttributeProto::FLOAT);
  axis->set_f(1);
  expect_refused({"relu", "attribute axis", "an integer", "a float"});
}

TEST_F(Import, RefusesUnknownAndMissingAttributes) {
  auto* surprise = node()->add_attribute();
  surprise->set_name("surprise");
  surprise->set_type(AttributeProto::INT);
  expect_refused({"relu", "surprise"});
  node()->clear_attribute();
  node()->set_op_type("Concat");
  expect_refused({"attribute axis is missing"});
}

TEST_F(Import, RefusesWrongNumbersOfInputs) {
  node()->add_input("x");
  expect_refused({"relu", "2 inputs", "1 needed"});
}

TEST_F(Import, RefusesTypesThatDoNotFit) {
  node()->set_op_type("Not");
  expect_refused({"relu", "needs bool"});
}

TEST_F(Import, RefusesHugeSizes) {
  add_tensor_info(graph->add_input(), "huge", {std::int64_t{1} << 40, std::int64_t{1} << 40});
  expect_refused({"huge", "overflows"});
}

TEST_F(Import, RefusesExternalDataOutsideItsFolder) {
  auto* w = graph->add_initializer();
  w->set_name("w");
  w->set_data_type(TensorProto::FLOAT);
  w->add_dims(1);
  w->set_data_location(TensorProto::EXTERNAL);
  auto* location = w->add_external_data();
  location->set_key("location");
  location->set_value("../secret.bin");
  test::write_text(directory.path().parent_path() / "secret.bin", "1234");
  expect_refused({"'w'", "outside"});
  location->set_value("gone.bin");
  expect_refused({"'w'", "gone.bin", "copy it beside the model"});
  std::filesystem::remove(directory.path().parent_path() / "secret.bin");
}

TEST_F(Import, MessagesStayOneLineWhateverTheNames) {
  node()->set_name("two\nlines");
  node()->set_op_type("Frob\nnicate");
  expect_refused({"\\x0a"});
}

TEST_F(Import, ADeepChainNeedsNoStack) {
  graph->clear_node();
  std::string last = "x";
  for (int i = 0; i < 20000; ++i) {
    const std::string next = i == 19999 ? "y" : "v" + std::to_string(i);
    add_node(graph, "Relu", "", {last}, {next});
    last = next;
  }
  EXPECT_EQ(import().nodes().size(), 20000U);
}

}  // namespace
}  // namespace edgeclip::builder
