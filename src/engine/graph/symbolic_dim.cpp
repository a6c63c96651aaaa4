#include "engine/graph/symbolic_dim.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "engine/graph/symbolic_dim_atom.h"

namespace edgeclip::engine {

namespace {

// An expression beyond these is unknown instead: models have nothing like it, hostile files may.
constexpr std::size_t kMostTerms = 32, kMostFactors = 16, kLongestKey = 1000;
constexpr int kMostTries = 6;  // terms of a number that are looked into to find its sign

}  // namespace

bool SymbolicDim::Before::operator()(const Monomial& a, const Monomial& b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](const AtomPtr& x, const AtomPtr& y) { return x->key < y->key; });
}

SymbolicDim::SymbolicDim(std::int64_t value) : at_least_(value) {
  if (value != 0) terms_.emplace(Monomial{}, value);
}

SymbolicDim::SymbolicDim(Terms terms, std::int64_t at_least) : terms_(std::move(terms)) {
  if (terms_.size() > kMostTerms) {
    terms_.clear();
    unknown_ = true;
    return;
  }
  at_least_ = std::max(at_least, bound_of(terms_));
}

SymbolicDim SymbolicDim::symbol(const std::string& name) {
  Atom atom;
  atom.name = name;
  atom.at_least = 0;
  return of_atom(std::move(atom));
}

SymbolicDim SymbolicDim::unknown() {
  SymbolicDim result(0);
  result.unknown_ = true;
  result.at_least_ = kNoBound;
  return result;
}

SymbolicDim SymbolicDim::of_atom(Atom atom) {
  // A name's length stands before it, so that no name reads as an expression.
  atom.key = std::string(1, "sq<>b*"[static_cast<int>(atom.kind)]) + std::to_string(atom.name.size()) + ":" +
             atom.name;
  if (atom.kind == Atom::Kind::scaled) atom.key += fmt::format("{:a}", atom.scale);
  for (const SymbolicDim& operand : atom.operands) {
    if (operand.unknown_) return unknown();
    atom.key += "(" + key_of(operand.terms_) + ")";
  }
  if (atom.key.size() > kLongestKey) return unknown();
  return SymbolicDim(Terms{{Monomial{std::make_shared<const Atom>(std::move(atom))}, 1}});
}

std::string SymbolicDim::key_of(const Terms& terms) {
  std::string key;
  for (const auto& [monomial, coefficient] : terms) {
    key += fmt::format("{:+}", coefficient);
    for (const AtomPtr& atom : monomial) key += "." + atom->key;
  }
  return key;
}

std::int64_t SymbolicDim::bound_of(const Terms& terms) {
  std::int64_t sum = 0;
  for (const auto& [monomial, coefficient] : terms) {
    std::int64_t term = coefficient;
    for (const AtomPtr& atom : monomial)
      if (coefficient < 0 || atom->at_least < 0 || __builtin_mul_overflow(term, atom->at_least, &term))
        return kNoBound;
    if (__builtin_add_overflow(sum, term, &sum)) return kNoBound;
  }
  return sum;
}

std::optional<std::int64_t> SymbolicDim::constant() const {
  if (unknown_) return {};
  if (terms_.empty()) return 0;
  if (terms_.size() == 1 && terms_.begin()->first.empty()) return terms_.begin()->second;
  return {};
}

SymbolicDim SymbolicDim::bounded(std::int64_t at_least) const {
  SymbolicDim result = *this;
  if (!unknown_) result.at_least_ = std::max(at_least_, at_least);
  return result;
}

bool operator==(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.unknown_ || b.unknown_ || a.terms_.size() != b.terms_.size()) return false;
  const SymbolicDim::Before before;
  return std::equal(a.terms_.begin(), a.terms_.end(), b.terms_.begin(), [&](const auto& x, const auto& y) {
    return x.second == y.second && !before(x.first, y.first) && !before(y.first, x.first);
  });
}

bool SymbolicDim::add_term(Terms& terms, const Monomial& monomial, std::int64_t coefficient) {
  std::int64_t& sum = terms[monomial];
  if (__builtin_add_overflow(sum, coefficient, &sum)) return false;
  if (sum == 0) terms.erase(monomial);
  return true;
}

SymbolicDim operator+(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.unknown_ || b.unknown_) return SymbolicDim::unknown();
  SymbolicDim::Terms sum = a.terms_;
  for (const auto& [monomial, coefficient] : b.terms_)
    if (!SymbolicDim::add_term(sum, monomial, coefficient)) return SymbolicDim::unknown();
  std::int64_t bound = 0;
  if (a.at_least_ == SymbolicDim::kNoBound || b.at_least_ == SymbolicDim::kNoBound ||
      __builtin_add_overflow(a.at_least_, b.at_least_, &bound))
    bound = SymbolicDim::kNoBound;
  return SymbolicDim(std::move(sum), bound);
}

SymbolicDim operator-(const SymbolicDim& a, const SymbolicDim& b) {
  const auto constant = b.constant();  // keeps the bound
  if (constant && *constant != INT64_MIN) return a + SymbolicDim(-*constant);
  return a + b * SymbolicDim(-1);
}

SymbolicDim operator*(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.unknown_ || b.unknown_) return SymbolicDim::unknown();
  SymbolicDim::Terms terms;
  for (const auto& [x, p] : a.terms_) {
    for (const auto& [y, q] : b.terms_) {
      SymbolicDim::Monomial monomial;
      std::merge(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(monomial),
                 [](const auto& one, const auto& other) { return one->key < other->key; });
      std::int64_t coefficient = 0;
      if (monomial.size() > kMostFactors || __builtin_mul_overflow(p, q, &coefficient) ||
          !SymbolicDim::add_term(terms, monomial, coefficient))
        return SymbolicDim::unknown();
    }
  }
  std::int64_t bound = 0;
  if (a.at_least_ < 0 || b.at_least_ < 0 || __builtin_mul_overflow(a.at_least_, b.at_least_, &bound))
    bound = SymbolicDim::kNoBound;
  return SymbolicDim(std::move(terms), bound);
}

/// The largest product of `of`'s factors that divides every term.
SymbolicDim::Monomial SymbolicDim::common_factor(const Terms& n, const Monomial& of) {
  Monomial common = of;
  for (const auto& [monomial, coefficient] : n) {
    Monomial kept;
    std::set_intersection(common.begin(), common.end(), monomial.begin(), monomial.end(),
                          std::back_inserter(kept),
                          [](const AtomPtr& a, const AtomPtr& b) { return a->key < b->key; });
    common = std::move(kept);
  }
  return common;
}

bool SymbolicDim::divide(Terms& terms, const Monomial& by) {
  Terms quotients;
  for (const auto& [monomial, coefficient] : terms) {
    Monomial rest;
    std::set_difference(monomial.begin(), monomial.end(), by.begin(), by.end(), std::back_inserter(rest),
                        [](const AtomPtr& a, const AtomPtr& b) { return a->key < b->key; });
    if (!add_term(quotients, rest, coefficient)) return false;
  }
  terms = std::move(quotients);
  return true;
}

/// For d > 0.  What d divides comes out of the quotient, what is left has coefficients in [0, d).
SymbolicDim SymbolicDim::divide_by_constant(const SymbolicDim& n, std::int64_t d) {
  Terms whole, rest;
  for (const auto& [monomial, coefficient] : n.terms_) {
    const std::int64_t quotient = floor_quotient(coefficient, d), left = coefficient % d;
    if (quotient != 0) whole.emplace(monomial, quotient);
    if (left != 0) rest.emplace(monomial, left < 0 ? left + d : left);
  }
  const std::int64_t bound = n.at_least_ == kNoBound ? kNoBound : floor_quotient(n.at_least_, d);
  const SymbolicDim outside(whole, bound);
  const auto one = rest.find(Monomial{});
  const std::int64_t offset = one == rest.end() ? 0 : one->second;
  if (rest.empty() || (rest.size() == 1 && one != rest.end())) return outside;  // offset is less than d

  if (one != rest.end()) rest.erase(one);
  std::int64_t factor = d;
  for (const auto& [monomial, coefficient] : rest) factor = std::gcd(factor, coefficient);
  for (auto& [monomial, coefficient] : rest) coefficient /= factor;
  SymbolicDim numerator = SymbolicDim(rest) + SymbolicDim(offset / factor);
  std::int64_t denominator = d / factor;
  // x/a/b is x/(a b)
  if (rest.size() == 1 && rest.begin()->second == 1 && rest.begin()->first.size() == 1) {
    const Atom& inner = *rest.begin()->first.front();
    const auto a = inner.kind == Atom::Kind::quotient ? inner.operands[1].constant() : std::nullopt;
    std::int64_t both = 0;
    if (a && !__builtin_mul_overflow(*a, denominator, &both)) {
      const SymbolicDim flat =
          divide_by_constant(inner.operands[0] + SymbolicDim(offset / factor) * SymbolicDim(*a), both);
      return (SymbolicDim(whole) + flat).bounded(bound);
    }
  }
  Atom atom;
  atom.kind = Atom::Kind::quotient;
  atom.at_least =
      numerator.at_least_ == kNoBound ? kNoBound : floor_quotient(numerator.at_least_, denominator);
  atom.operands = {numerator, SymbolicDim(denominator)};
  return (SymbolicDim(whole) + of_atom(std::move(atom))).bounded(bound);
}

SymbolicDim floor_div(const SymbolicDim& n, const SymbolicDim& d) {
  if (n.unknown_ || d.unknown_) return SymbolicDim::unknown();
  SymbolicDim numerator = n, denominator = d;
  if (d.terms_.size() == 1) {
    const auto common = SymbolicDim::common_factor(n.terms_, d.terms_.begin()->first);
    if (!common.empty() &&
        (!SymbolicDim::divide(numerator.terms_, common) || !SymbolicDim::divide(denominator.terms_, common)))
      return SymbolicDim::unknown();
    if (!common.empty()) {
      numerator = SymbolicDim(numerator.terms_);
      denominator = SymbolicDim(denominator.terms_);
    }
  }
  if (numerator == denominator) return 1;
  if (const auto c = denominator.constant())
    return *c > 0 ? SymbolicDim::divide_by_constant(numerator, *c) : SymbolicDim::unknown();
  SymbolicDim::Atom atom;
  atom.kind = SymbolicDim::Atom::Kind::quotient;
  if (numerator.at_least_ >= 0 && denominator.at_least_ >= 0) atom.at_least = 0;
  atom.operands = {numerator, denominator};
  return SymbolicDim::of_atom(std::move(atom));
}

bool SymbolicDim::surely_not_negative(SymbolicDim x, int depth) {
  if (x.unknown_) return false;
  if (x.at_least_ >= 0) return true;
  if (depth == 0) return false;
  // With n/d <= (n over d) <= (n + d - 1 over d) and d > 0, try d times x without the rounding.
  int tries = kMostTries;
  for (const auto& [monomial, coefficient] : x.terms_) {
    if (monomial.size() != 1) continue;
    const Atom& atom = *monomial.front();
    if (tries-- == 0) return false;
    if (atom.kind == Atom::Kind::min || atom.kind == Atom::Kind::max) {
      const SymbolicDim rest = x - SymbolicDim(Terms{{monomial, 1}}) * coefficient;
      const bool first = surely_not_negative(rest + atom.operands[0] * coefficient, depth - 1),
                 second = surely_not_negative(rest + atom.operands[1] * coefficient, depth - 1);
      const bool either = (atom.kind == Atom::Kind::min) == (coefficient < 0);
      if (either ? first || second : first && second) return true;
    }
    if (atom.kind != Atom::Kind::quotient) continue;
    const auto d = atom.operands[1].constant();
    if (!d) continue;
    const SymbolicDim exact = coefficient < 0 ? atom.operands[0] : atom.operands[0] - SymbolicDim(*d - 1);
    const SymbolicDim rest = x - SymbolicDim(Terms{{monomial, 1}}) * SymbolicDim(coefficient);
    if (surely_not_negative(rest * SymbolicDim(*d) + exact * SymbolicDim(coefficient), depth - 1))
      return true;
  }
  return false;
}

bool surely_at_least(const SymbolicDim& a, const SymbolicDim& b) {
  return SymbolicDim::surely_not_negative(a - b, 3);
}

SymbolicDim min_of(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.unknown_ || b.unknown_) return SymbolicDim::unknown();
  if (surely_at_least(a, b)) return b;
  if (surely_at_least(b, a)) return a;
  SymbolicDim::Atom atom;
  atom.kind = SymbolicDim::Atom::Kind::min;
  atom.at_least = std::min(a.at_least_, b.at_least_);
  const bool ordered = SymbolicDim::key_of(a.terms_) < SymbolicDim::key_of(b.terms_);
  atom.operands = {ordered ? a : b, ordered ? b : a};
  return SymbolicDim::of_atom(std::move(atom));
}

SymbolicDim max_of(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.unknown_ || b.unknown_) return SymbolicDim::unknown();
  if (surely_at_least(a, b)) return a;
  if (surely_at_least(b, a)) return b;
  SymbolicDim::Atom atom;
  atom.kind = SymbolicDim::Atom::Kind::max;
  atom.at_least = std::max(a.at_least_, b.at_least_);
  const bool ordered = SymbolicDim::key_of(a.terms_) < SymbolicDim::key_of(b.terms_);
  atom.operands = {ordered ? a : b, ordered ? b : a};
  return SymbolicDim::of_atom(std::move(atom));
}

bool surely_spans(const SymbolicDim& part, const SymbolicDim& whole) {
  if (part == whole || part.at_least_ >= 2) return true;
  // min(whole, c) with c > 1 is 1 only where `whole` is, and else must be it.
  if (part.terms_.size() != 1 || part.terms_.begin()->second != 1) return false;
  const auto& monomial = part.terms_.begin()->first;
  if (monomial.size() != 1 || monomial.front()->kind != SymbolicDim::Atom::Kind::min) return false;
  const auto& operands = monomial.front()->operands;
  for (const std::size_t side : {0, 1})
    if (operands[side] == whole && operands[1 - side].at_least() >= 2) return true;
  return false;
}

SymbolicDim broadcast_of(const SymbolicDim& a, const SymbolicDim& b) {
  if (a.constant() == 1) return b;
  if (b.constant() == 1 || a == b) return a;
  // What is not 1 is the result: the other one is 1 or the same.
  if (a.constant() || a.at_least_ >= 2) return a;
  if (b.constant() || b.at_least_ >= 2) return b;
  if (a.unknown_ || b.unknown_) return SymbolicDim::unknown();
  if (surely_spans(b, a)) return a;
  if (surely_spans(a, b)) return b;
  SymbolicDim::Atom atom;
  atom.kind = SymbolicDim::Atom::Kind::broadcast;
  atom.at_least = std::min(a.at_least_, b.at_least_);
  const bool ordered = SymbolicDim::key_of(a.terms_) < SymbolicDim::key_of(b.terms_);
  atom.operands = {ordered ? a : b, ordered ? b : a};
  return SymbolicDim::of_atom(std::move(atom));
}

SymbolicDim scaled_by(const SymbolicDim& a, float scale) {
  if (a.unknown_) return a;
  const auto rounded = [&](std::int64_t x) { return std::floor(static_cast<float>(x) * scale); };
  if (const auto c = a.constant()) {
    const float y = rounded(*c);
    return y >= 0 && y < 1e12F ? SymbolicDim(static_cast<std::int64_t>(y)) : SymbolicDim::unknown();
  }
  SymbolicDim::Atom atom;
  atom.kind = SymbolicDim::Atom::Kind::scaled;
  atom.scale = scale;
  atom.at_least = 0;
  atom.operands = {a};
  return SymbolicDim::of_atom(std::move(atom));
}

SymbolicDim product_of(const SymbolicShape& shape) {
  SymbolicDim product = 1;
  for (const SymbolicDim& dim : shape) product = product * dim;
  return product;
}

}  // namespace edgeclip::engine
