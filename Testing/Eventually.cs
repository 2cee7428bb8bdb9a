using System.Diagnostics;

namespace ConcertSaga.Testing;

/// <summary>Waits for conditions with a time limit. Tests use it instead of sleeps of a guessed length.</summary>
public static class Eventually
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>Returns as soon as <paramref name="condition"/> holds.</summary>
    /// <param name="condition">
    /// Evaluated repeatedly. An exception counts as false; the failure message repeats the last one.
    /// </param>
    /// <param name="limit">The time limit.</param>
    /// <param name="because">The expectation, for the failure message.</param>
    /// <exception cref="TimeoutException">The condition did not hold within the limit.</exception>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan limit, string because)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            Exception? last = null;
            try
            {
                if (await condition())
                    return;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                last = exception;
            }
            if (watch.Elapsed >= limit)
                throw new TimeoutException(
                    $"Not within {limit.TotalSeconds:0.#} s: {because}{(last is null ? "" : $" (last: {last.Message})")}", last);
            await Task.Delay(Pause);
        }
    }

    /// <inheritdoc cref="TrueAsync(Func{Task{bool}}, TimeSpan, string)" />
    public static Task TrueAsync(Func<bool> condition, TimeSpan limit, string because) =>
        TrueAsync(() => Task.FromResult(condition()), limit, because);
}
