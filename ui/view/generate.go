package view

//go:generate go tool -modfile=../../assets/web/tools/go.mod templ generate -path . -include-version=false
