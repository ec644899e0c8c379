package output

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestWrap(t *testing.T) {
	text := "  1. every 60 s ±20%, active for 23.9h; " + strings.Repeat("x", 40) + " and so on to the end of the line"
	got := Wrap(text, 30, "     ")
	for _, line := range strings.Split(got, "\n") {
		require.True(t, utf8.RuneCountInString(line) <= 30 || strings.Contains(line, "xxx"), line)
	}
	require.Equal(t, strings.Fields(text), strings.Fields(got), "nothing is lost")
	require.Contains(t, got, "\n     "+strings.Repeat("x", 40)+"\n     and so on")
	require.Equal(t, text, Wrap(text, 0, "     "))
	require.Equal(t, "short", Wrap("short", 30, "  "))
	require.Equal(t, text, Wrap(text, 500, "     "))
}
