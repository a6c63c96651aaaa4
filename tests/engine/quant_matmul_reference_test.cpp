// edgeclip.QuantMatMul: the reference against hand-made numbers.
#include "engine/quant_matmul_problem.h"

namespace edgeclip::engine {
namespace {

TEST(QuantMatMulReference, ComputesTheDefinition) {
  QuantMatMulProblem p({{1}, 2, 2, "", true, true}, 1);
  p.node.attributes = {
      {"a_scale", 0.5f}, {"a_zero_point", std::int64_t{10}}, {"activation", std::string("relu")}};
  p.tensors[0].data<std::uint8_t>()[0] = 12;  // 2 after the zero point
  p.tensors[0].data<std::uint8_t>()[1] = 7;   // -3
  const std::int8_t w[] = {100, -100, 50, 127};
  std::copy(w, w + 4, p.tensors[1].data<std::int8_t>());
  const float scale[] = {0.1f, 0.2f}, bias[] = {1, -2}, residual[] = {0.25f, 0.5f};
  std::copy(scale, scale + 2, p.tensors[2].data<float>());
  std::copy(bias, bias + 2, p.tensors[3].data<float>());
  std::copy(residual, residual + 2, p.tensors[4].data<float>());
  const Tensor y = p.reference();
  // 2*100 - 3*50 = 50, * 0.05 + 1 = 3.5, + 0.25;   -200 - 381 = -581, * 0.1 - 2 < 0: relu gives 0, + 0.5
  EXPECT_FLOAT_EQ(y.data<float>()[0], 3.75f);
  EXPECT_FLOAT_EQ(y.data<float>()[1], 0.5f);
}

TEST(QuantMatMulReference, ScalesRowsAndQuantizesTheResult) {
  QuantMatMulProblem p({{2}, 2, 2, "", false, false, 127, DType::i8, true, "int8"}, 1);
  p.node.attributes = {{"a_scale", 1.0f}, {"out_type", std::string("int8")}, {"out_scale", 0.5f},
                       {"out_zero_point", std::int64_t{10}}};
  const std::int8_t a[] = {-128, 1, 2, 3}, w[] = {1, 2, 3, 4};
  std::copy(a, a + 4, p.tensors[0].data<std::int8_t>());
  std::copy(w, w + 4, p.tensors[1].data<std::int8_t>());
  const float scale[] = {1, 0.25f}, rows[] = {0.5f, 0.125f};
  std::copy(scale, scale + 2, p.tensors[2].data<float>());
  std::copy(rows, rows + 2, p.tensors[5].data<float>());
  const Tensor y = p.reference();
  // sums -125, -252; 11, 16; scaled -62.5, -31.5; 1.375, 0.5; halves of them -125 and -63; 2.75 and 1
  EXPECT_EQ(y.data<std::int8_t>()[0], -115);
  EXPECT_EQ(y.data<std::int8_t>()[1], -53);
  EXPECT_EQ(y.data<std::int8_t>()[2], 13);
  EXPECT_EQ(y.data<std::int8_t>()[3], 11);
  p.node.attributes["out_zero_point"] = std::int64_t{-10};
  EXPECT_EQ(p.reference().data<std::int8_t>()[0], -128);  // saturated
}

TEST(QuantMatMulReference, RefusesWhatDoesNotFit) {
  const auto infer = [](QuantMatMulProblem& p) {
    ShapeContext context{p.node, p.inputs, {}, {}};
    find_operator("edgeclip", "QuantMatMul", 1)->infer(context);
    return context.output_shapes.at(0);
  };
  const QuantMatMulCase c{{2, 3}, 4, 5, "", true, true};
  QuantMatMulProblem good(c, 1);
  EXPECT_EQ(infer(good), (Shape{2, 3, 5}));

  QuantMatMulProblem wrong_k(c, 1);
  wrong_k.inputs[0].shape = {2, 3, 6};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_k); }).find("does not fit"), std::string::npos);
  QuantMatMulProblem wrong_type(c, 1);
  wrong_type.inputs[1].dtype = DType::u8;
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_type); }).find("not int8"), std::string::npos);
  QuantMatMulProblem wrong_scale(c, 1);
  wrong_scale.inputs[2].shape = {4};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_scale); }).find("w_scale"), std::string::npos);
  QuantMatMulProblem wrong_residual(c, 1);
  wrong_residual.inputs[4].shape = {7, 5};
  test::invalid_input_of([&] { infer(wrong_residual); });
  QuantMatMulProblem wrong_activation(c, 1);
  wrong_activation.node.attributes["activation"] = std::string("tanh");
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_activation); }).find("tanh"), std::string::npos);
  QuantMatMulProblem wrong_point(c, 1);
  wrong_point.node.attributes["a_zero_point"] = std::int64_t{256};
  test::invalid_input_of([&] { infer(wrong_point); });

  const auto refused = [&](const QuantMatMulCase& one, const std::string& name, const Attribute& value) {
    QuantMatMulProblem p(one, 1);
    p.node.attributes[name] = value;
    return test::invalid_input_of([&] { infer(p); });
  };
  QuantMatMulCase signed_a = c, rows = c, out = c;
  signed_a.type = rows.type = DType::i8;
  rows.rows = true;
  out.out = "uint8";
  EXPECT_NE(refused(signed_a, "a_zero_point", std::int64_t{128}).find("-128..127"), std::string::npos);
  EXPECT_NE(refused(rows, "a_scale", 0.5f).find("row_scale"), std::string::npos);
  EXPECT_NE(refused(rows, "a_zero_point", std::int64_t{1}).find("row_scale"), std::string::npos);
  EXPECT_NE(refused(out, "out_type", std::string("int4")).find("int4"), std::string::npos);
  EXPECT_NE(refused(out, "out_scale", 0.0f).find("out_scale"), std::string::npos);
  EXPECT_NE(refused(out, "out_zero_point", std::int64_t{-1}).find("out_zero_point"), std::string::npos);
  QuantMatMulProblem wrong_rows(rows, 1);
  EXPECT_EQ(infer(wrong_rows), (Shape{2, 3, 5}));
  wrong_rows.inputs[kQuantRowScale].shape = {2, 3};
  EXPECT_NE(test::invalid_input_of([&] { infer(wrong_rows); }).find("row_scale"), std::string::npos);

  QuantMatMulCase zeros = c;
  zeros.rows = zeros.zero_points = true;
  QuantMatMulProblem zero_points(zeros, 1);
  EXPECT_EQ(infer(zero_points), (Shape{2, 3, 5}));
  zero_points.inputs[kQuantRowZeroPoint].dtype = DType::u8;
  EXPECT_NE(test::invalid_input_of([&] { infer(zero_points); }).find("not int32"), std::string::npos);
  zeros.type = DType::i8;
  QuantMatMulProblem of_signed(zeros, 1);
  EXPECT_NE(test::invalid_input_of([&] { infer(of_signed); }).find("uint8 alone"), std::string::npos);
}

TEST(QuantMatMulReference, TakesOffEachRowsZeroPoint) {
  QuantMatMulProblem p({{2}, 2, 1, "", false, false, 127, DType::u8, true, "", true}, 1);
  const std::uint8_t a[] = {12, 7, 0, 255};
  const std::int8_t w[] = {3, -2};
  std::copy(a, a + 4, p.tensors[0].data<std::uint8_t>());
  std::copy(w, w + 2, p.tensors[1].data<std::int8_t>());
  *p.tensors[2].data<float>() = 1;
  const float rows[] = {1, 0.5F};
  const std::int32_t zeros[] = {10, 200};
  std::copy(rows, rows + 2, p.tensors[kQuantRowScale].data<float>());
  std::copy(zeros, zeros + 2, p.tensors[kQuantRowZeroPoint].data<std::int32_t>());
  const Tensor y = p.reference();
  EXPECT_EQ(y.data<float>()[0], 2 * 3 + 3 * 2);
  EXPECT_EQ(y.data<float>()[1], 0.5F * (-200 * 3 - 55 * 2));
}

TEST(QuantMatMulReference, BroadcastsTheResidual) {
  QuantMatMulProblem p({{2, 3}, 4, 5, "", false, false}, 3);
  const Tensor plain = p.reference();
  p.node.inputs[4] = 4;
  p.inputs[4].shape = {1, 5};  // the first row of it
  const Tensor y = p.reference();
  for (std::int64_t i = 0; i < y.elements(); ++i)
    EXPECT_FLOAT_EQ(y.data<float>()[i], plain.data<float>()[i] + p.tensors[4].data<float>()[i % 5]);
}

}  // namespace
}  // namespace edgeclip::engine
