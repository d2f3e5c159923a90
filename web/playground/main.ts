/** The playground: one script for the page and for its workers, so that one file is all there is. */
import { startPage } from "./start.ts";
import { startWorker } from "./worker.ts";

if (typeof document === "undefined") startWorker(self as never);
else void startPage();
