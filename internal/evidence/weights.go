package evidence

import (
	"fmt"
	"maps"
	"slices"
)

// The terms of the final score beside the indicators.
const (
	Rare   = "rare"
	Common = "common"
	New    = "new"
	Known  = "known"
)

// Term is one modifier that a score may get.
type Term struct {
	// Name is what dwell.modifiers.name says.
	Name string
	// Weight is what it adds, -1..1.
	Weight float64
	// About says when it counts.
	About string
}

// Terms lists every modifier with its default weight, in the order in which they are documented (docs/scoring.md). It is
// the one place where weights stand: settings, documentation and judges go by it.
func Terms() []Term {
	return []Term{
		{Rare, 0.15, "of ten active machines or more, one alone (or 2 % at most) talks to the other side"},
		{Common, -0.15, "half of all active machines, five at least, talk to the other side"},
		{New, 0.15, "the other side was first seen seven days ago or less, in a store that reaches further back"},
		{Known, -0.15, "the other side was first seen thirty days ago or more"},
	}
}

// Weights are the weights of terms by name. A name that is missing has its default weight; a nil map is all defaults.
type Weights map[string]float64

// Of is a term's weight. An unknown term is a mistake in the program.
func (w Weights) Of(term string) float64 {
	if v, ok := w[term]; ok {
		return v
	}
	for _, t := range Terms() {
		if t.Name == term {
			return t.Weight
		}
	}
	panic(fmt.Sprintf("evidence: no term %q", term))
}

// Revisions are what of judges and weights belongs to a hunt's revision; empty when all is as the program has it.
func Revisions(judges []Judge, w Weights) []string {
	var out []string
	for _, j := range judges {
		if r := j.Revision(); r != "" {
			out = append(out, r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		out = append(out, fmt.Sprintf("%s=%g", name, w[name]))
	}
	return out
}
