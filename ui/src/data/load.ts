/** Loading parts of the page, which come from the gateway as well. */

/**
 * Load something from the gateway. While it does not answer, try again after each pause; reject if it answers and the
 * part cannot be loaded. With `mayBeDown`, ask whether it answers first: browsers may remember that a module was missing.
 */
export async function loadWhenReachable<T>(
  load: () => Promise<T>,
  isReachable: () => Promise<boolean>,
  pause: () => Promise<void>,
  mayBeDown: boolean,
): Promise<T> {
  let isDown = mayBeDown && !(await isReachable());
  for (;;) {
    while (isDown) {
      await pause();
      isDown = !(await isReachable());
    }
    try {
      return await load();
    } catch (error) {
      isDown = !(await isReachable());
      if (!isDown) throw error;
    }
  }
}
