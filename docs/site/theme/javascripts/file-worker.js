"use strict";
// A browser starts no worker from a file, and the search of the site is one. Where the site is opened from its
// files, this runs the script in a hidden frame instead, with the messages that a worker would get and send.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.frame = frame.contentWindow;
      this.frame.document.open();
      this.frame.document.write("<!doctype html><title>search</title>");
      this.frame.document.close();
      this.frame.postMessage = (data) => setTimeout(() => this.receive(data));
      const script = this.frame.document.createElement("script");
      script.onload = () => this.waiting.splice(0).forEach((data) => this.send(data));
      script.src = new URL(address, location.href).href;
      this.loaded = false;
      script.addEventListener("load", () => (this.loaded = true));
      this.frame.document.head.append(script);
    }
    postMessage(data) {
      if (this.loaded) this.send(data);
      else this.waiting.push(data);
    }
    send(data) {
      this.frame.dispatchEvent(new this.frame.MessageEvent("message", { data }));
    }
    receive(data) {
      const event = new MessageEvent("message", { data });
      this.onmessage?.(event);
      this.dispatchEvent(event);
    }
    terminate() {
      this.frame.frameElement.remove();
    }
  };
}
