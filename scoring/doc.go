// Package scoring is the mathematics of dwell: it turns a candidate's start times, sizes and durations into
// indicators, each a value between 0 and 1 with its parts and its reasons.
//
// It promises three things. It is pure: no I/O, no clock, no logger, no state between calls, nothing of the rest of
// the program. It is defined everywhere: no input makes it panic or return a NaN; what cannot be judged gives the
// zero result, and the documentation of each function says when. And it is the same for the same input, whatever the
// order of the connections.
//
// Start with [Series] and [Window]. [RITA] gives the five numbers of RITA v5.1.1 exactly as that program computes
// them, for comparison; docs/detection.md says what was measured with either.
package scoring
