#include <algorithm>

#include "base/error.h"
#include "engine/graph/symbolic_dim.h"
#include "engine/graph/symbolic_dim_atom.h"

/// SymbolicDim printed, and evaluated.
namespace edgeclip::engine {

std::string SymbolicDim::atom_text(const Atom& atom) {
  const auto operand = [&](std::size_t i) {
    const SymbolicDim& x = atom.operands[i];
    const bool simple = x.constant() || (x.terms_.size() == 1 && x.terms_.begin()->second == 1 &&
                                         x.terms_.begin()->first.size() == 1 &&
                                         x.terms_.begin()->first[0]->kind != Atom::Kind::quotient);
    return simple ? x.text() : "(" + x.text() + ")";
  };
  const auto list = [&](const char* name) {
    return fmt::format("{}({}, {})", name, atom.operands[0].text(), atom.operands[1].text());
  };
  switch (atom.kind) {
    case Atom::Kind::symbol:
      return atom.name;
    case Atom::Kind::quotient:
      return operand(0) + "/" + operand(1);
    case Atom::Kind::min:
      return list("min");
    case Atom::Kind::max:
      return list("max");
    case Atom::Kind::broadcast:
      return list("broadcast");
    case Atom::Kind::scaled:
      return fmt::format("floor({}*{})", operand(0), atom.scale);
  }
  return "?";
}

std::string SymbolicDim::text() const {
  if (unknown_) return "?";
  if (const auto value = constant()) return std::to_string(*value);
  std::string text;
  std::int64_t offset = 0;
  for (const auto& [monomial, coefficient] : terms_) {
    if (monomial.empty()) {
      offset = coefficient;
      continue;
    }
    if (coefficient < 0)
      text += "-";
    else if (!text.empty())
      text += "+";
    if (coefficient != 1 && coefficient != -1)
      text += std::to_string(coefficient).substr(coefficient < 0 ? 1 : 0) + "*";
    for (std::size_t i = 0; i < monomial.size(); ++i) {
      const bool quotient =
          monomial[i]->kind == Atom::Kind::quotient && (monomial.size() > 1 || coefficient != 1);
      const std::string factor = atom_text(*monomial[i]);
      text += (i == 0 ? "" : "*") + (quotient ? "(" + factor + ")" : factor);
    }
  }
  if (offset != 0) text += fmt::format("{:+}", offset);
  return text;
}

std::string shape_text(const SymbolicShape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + shape[i].text();
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::optional<std::int64_t> SymbolicDim::evaluate_atom(const Atom& atom,
                                                       const std::map<std::string, std::int64_t>& sizes) {
  if (atom.kind == Atom::Kind::symbol) {
    const auto it = sizes.find(atom.name);
    return it == sizes.end() ? std::nullopt : std::optional<std::int64_t>(it->second);
  }
  const auto a = atom.operands.front().evaluate(sizes), b = atom.operands.back().evaluate(sizes);
  if (!a || !b) return {};
  switch (atom.kind) {
    case Atom::Kind::quotient:
      return *b > 0 ? std::optional<std::int64_t>(floor_quotient(*a, *b)) : std::nullopt;
    case Atom::Kind::min:
      return std::min(*a, *b);
    case Atom::Kind::max:
      return std::max(*a, *b);
    case Atom::Kind::broadcast:
      return *a == 1 ? *b : *a;
    default:
      return scaled_by(*a, atom.scale).constant();
  }
}

std::optional<std::int64_t> SymbolicDim::evaluate(const std::map<std::string, std::int64_t>& sizes) const {
  if (unknown_) return {};
  std::int64_t sum = 0;
  for (const auto& [monomial, coefficient] : terms_) {
    std::int64_t term = coefficient;
    for (const AtomPtr& atom : monomial) {
      const auto factor = evaluate_atom(*atom, sizes);
      if (!factor || __builtin_mul_overflow(term, *factor, &term)) return {};
    }
    if (__builtin_add_overflow(sum, term, &sum)) return {};
  }
  return sum;
}

}  // namespace edgeclip::engine
