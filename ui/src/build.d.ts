/** The address of the worker's script, which the build defines. */
declare const WORKER_URL: string;
