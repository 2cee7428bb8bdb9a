using System.Diagnostics;

namespace ConcertSaga.Testing;

/// <summary>Waits for conditions with a time limit. Tests use it instead of sleeps of a guessed length.</summary>
public static class Eventually
{
    /// <summary>A pause for conditions that are expensive, such as those that call another process or read whole databases.</summary>
    public static readonly TimeSpan LongPause = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan ShortPause = TimeSpan.FromMilliseconds(25);

    /// <summary>Returns as soon as <paramref name="condition"/> holds.</summary>
    /// <param name="condition">
    /// Evaluated repeatedly. An exception counts as false; the failure message repeats the last one.
    /// </param>
    /// <param name="limit">The time limit.</param>
    /// <param name="because">The expectation, for the failure message.</param>
    /// <param name="pause">The pause between two evaluations; 25 ms by default.</param>
    /// <exception cref="TimeoutException">The condition did not hold within the limit.</exception>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan limit, string because, TimeSpan? pause = null)
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
            await Task.Delay(pause ?? ShortPause);
        }
    }

    /// <inheritdoc cref="TrueAsync(Func{Task{bool}}, TimeSpan, string, TimeSpan?)" />
    public static Task TrueAsync(Func<bool> condition, TimeSpan limit, string because, TimeSpan? pause = null) =>
        TrueAsync(() => Task.FromResult(condition()), limit, because, pause);
}
