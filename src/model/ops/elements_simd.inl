// Vectors of float32 made of elements of float32 or bfloat16, and back; included by a Highway file inside of its
// namespace of one instruction set, once for each.  bfloat16 goes as its bits (std::uint16_t).

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
hn::Vec<D> load(D d, const float* p) {
  return hn::LoadU(d, p);
}
template <class D>
hn::Vec<D> load(D d, const std::uint16_t* p) {
  const hn::RebindToUnsigned<D> bits;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(bits, hn::LoadU(hn::Rebind<std::uint16_t, D>(), p))));
}

template <class D>
void store(D d, hn::Vec<D> v, float* p) {
  hn::StoreU(v, d, p);
}
/// Rounded to the nearest, halves to even; NaN stays one.
template <class D>
void store(D d, hn::Vec<D> v, std::uint16_t* p) {
  const hn::RebindToUnsigned<D> bits;
  const auto u = hn::BitCast(bits, v);
  const auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(bits, 1u));
  const auto rounded = hn::Add(u, hn::Add(odd, hn::Set(bits, 0x7fffu)));
  const auto number = hn::BitCast(bits, hn::VecFromMask(d, hn::Eq(v, v)));  // ones where v is no NaN
  const auto kept = hn::Or(hn::And(number, hn::ShiftRight<16>(rounded)), hn::AndNot(number, hn::Set(bits, 0x7fc0u)));
  const hn::RebindToSigned<D> integers;
  const hn::Rebind<std::uint16_t, D> narrow;
  hn::StoreU(hn::DemoteTo(narrow, hn::BitCast(integers, kept)), narrow, p);
}

/// body(tag, i) over [0, n): whole vectors, then what is left one by one.
template <class Body>
void for_each_vector(std::int64_t n, const Body& body) {
  const hn::ScalableTag<float> whole;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(whole, i);
  for (; i < n; ++i) body(one, i);
}
