package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated pages")

// docs/configuration.md is generated from Keys; -update writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(reference()), 0o644))
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, reference() == string(b), "docs/configuration.md is stale: make generate")
}

// reference is docs/configuration.md.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Made from internal/config by "make generate"; do not edit. -->

For administrators. A flag wins over the environment, the environment over the file, the file over the default; ` + "`dwell config`" + ` shows
each value and its origin. The file is ` + "`--config`" + `, else ` + "`dwell/config.yaml`" + ` in the user's configuration directory, else
` + "`/etc/dwell/config.yaml`" + `. A key's environment variable is ` + "`DWELL_`" + ` and the key in capitals, with ` + "`_`" + ` for the dot
(` + "`DWELL_HUNT_SINCE`" + `). Any key but a secret can be set for one run with ` + "`--set KEY=VALUE`" + `. Durations need a unit (` + "`7d`" + `); unknown keys are
errors; an empty variable counts as not set.

`)
	section := ""
	for _, k := range Keys() {
		if strings.HasPrefix(k.Name, "weights.") {
			continue // the weights are in docs/detection.md, one row each
		}
		if s, _, _ := strings.Cut(k.Name, "."); s != section {
			section = s
			fmt.Fprintf(&b, "## %s\n| key | default | about |\n|---|---|---|\n", section)
		}
		text := k.About
		if k.Secret {
			text += " A secret: never a flag, never shown."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, defaultText(k.Default), strings.ReplaceAll(text, "|", `\|`))
		if next := index(k.Name) + 1; next == len(Keys()) || !strings.HasPrefix(Keys()[next].Name, section+".") {
			b.WriteString("\n")
		}
	}
	b.WriteString("## weights\n`weights.MODIFIER` is what a modifier adds to the score, -1 to 1; 0 switches it off. " +
		"[detection.md](detection.md#5-evidence) lists the modifiers with their defaults.\n")
	return b.String()
}

func index(name string) int {
	for i, k := range Keys() {
		if k.Name == name {
			return i
		}
	}
	return -1
}

func defaultText(v any) string {
	if s := display(v); s != "" {
		return "`" + s + "`"
	}
	return "none"
}
