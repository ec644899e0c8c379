package output

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// blocks are the eight heights of a bar; an empty bin is a dot, so that it is visible.
const (
	blocks  = "▁▂▃▄▅▆▇█"
	nothing = "·"
)

// DayLine draws how many starts (Unix ms) fall into each of n equal parts of the window, one block each: "▁·▃█". The
// highest bar is the largest count.
func DayLine(starts []int64, w hunt.Window, n int) string {
	counts := make([]int, n)
	begin, length := w.Start.UnixMilli(), w.Duration().Milliseconds()
	for _, s := range starts {
		if w.Contains(s) {
			counts[(s-begin)*int64(n)/length]++
		}
	}
	return bars(counts)
}

func bars(counts []int) string {
	top := slices.Max(counts)
	heights := []rune(blocks)
	var b strings.Builder
	for _, c := range counts {
		if c == 0 {
			b.WriteString(nothing)
			continue
		}
		b.WriteRune(heights[(c*len(heights)-1)/top])
	}
	return b.String()
}

// Intervals draws a histogram of the intervals between starts (Unix ms, ascending). Bins grow by a quarter of their
// size, so a jitter of 20% fills about two of them at any period. It draws up to rows bins, those with the most
// intervals, and says how many are left out.
func Intervals(w io.Writer, starts []int64, rows, width int) error {
	if len(starts) < 2 {
		_, err := fmt.Fprintln(w, "  no intervals: fewer than two connections")
		return err
	}
	bins := hunt.Intervals(starts)
	total, drawn := int64(len(starts)-1), int64(0)
	slices.SortStableFunc(bins, func(a, b hunt.IntervalBin) int { return cmp.Compare(b.Count, a.Count) })
	top, shown := bins[0].Count, bins[:min(rows, len(bins))]
	slices.SortFunc(shown, func(a, b hunt.IntervalBin) int { return cmp.Compare(a.From, b.From) })
	for _, b := range shown {
		drawn += b.Count
		bar := strings.Repeat("█", max(1, int(b.Count)*width/int(top)))
		if _, err := fmt.Fprintf(w, "  %8s - %-8s %7s  %s\n", hunt.Brief(b.From), hunt.Brief(b.To), hunt.Count(b.Count), bar); err != nil {
			return err
		}
	}
	if drawn < total {
		_, err := fmt.Fprintf(w, "  %s of %s intervals lie elsewhere\n", hunt.Count(total-drawn), hunt.Count(total))
		return err
	}
	return nil
}
