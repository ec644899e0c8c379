package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"time"
)

//go:embed page.html
var pageText string

// cell is the size of a grid cell in pixels, as in the style sheet. Kibana's rows have this height, and its columns
// this width at this page's width.
const cell = 28

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is one dashboard.
type page struct {
	Title, About string
	From, To     time.Time
	// Filter is the filter set by a click, as text; empty for none.
	Filter string
	Panels []drawn
}

// Colors are the classes that [color] returns, for the style sheet.
func (page) Colors() []string {
	return []string{"critical", "high", "medium", "low", "c0", "c1", "c2", "c3", "c4", "c5"}
}

// Height is the page's height in pixels.
func (p page) Height() int {
	rows := 0
	for _, d := range p.Panels {
		rows = max(rows, d.Y+d.H-1)
	}
	return rows*cell + 90
}

// write writes the page's file.
func (p page) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if err := pageTemplate.Execute(f, p); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
