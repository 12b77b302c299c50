// Command hello is what the images of the stories run: it says what it was
// told to and stays. With the argument serve it also says so on port 80.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	fmt.Println("hello from", os.Getenv("HELLO"))
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		go func() {
			fmt.Println(http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintln(w, "hello from", os.Getenv("HELLO"))
			})))
			os.Exit(1)
		}()
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
