using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace ConcertSaga.Testing.Fuzzing;

/// <summary>
/// Feeds mutations of valid inputs to a reader of outside bytes for a few seconds. <c>CONCERT_TEST_SEED</c> repeats the inputs of a run;
/// <c>CONCERT_TEST_FUZZ_SECONDS</c> sets the time of each test, 3 s by default.
/// </summary>
public static class Fuzzer
{
    private const int ShorteningAttempts = 400;

    /// <summary>Runs until the time is over, or an input fails.</summary>
    /// <param name="samples">Valid inputs.</param>
    /// <param name="check">Throws if the product treats the input wrongly.</param>
    /// <returns>The number of inputs.</returns>
    /// <exception cref="FuzzingException">An input failed. The message has the seed and a short form of the input.</exception>
    public static async Task<int> RunAsync(IReadOnlyList<byte[]> samples, Func<byte[], Task> check)
    {
        var seed = Number("CONCERT_TEST_SEED", Random.Shared.Next());
        var limit = TimeSpan.FromSeconds(Number("CONCERT_TEST_FUZZ_SECONDS", 3));
        var mutator = new Mutator(samples, new Random(seed));
        // Each sample is right as it is.
        foreach (var sample in samples)
            await check(sample);
        var watch = Stopwatch.StartNew();
        var count = 0;
        for (; watch.Elapsed < limit; count++)
        {
            var input = mutator.Next();
            if (await FailureOfAsync(check, input) is { } failure)
                throw await ReportAsync(seed, count, input, failure, check);
        }
        return count;
    }

    private static async Task<FuzzingException> ReportAsync(int seed, int count, byte[] input, Exception failure, Func<byte[], Task> check)
    {
        // Removes parts of the input, first large ones, as long as it still fails.
        var attempts = 0;
        for (var size = input.Length / 2; size > 0 && attempts < ShorteningAttempts; size /= 2)
        {
            for (var start = 0; start + size <= input.Length && attempts < ShorteningAttempts;)
            {
                attempts++;
                byte[] shorter = [.. input[..start], .. input[(start + size)..]];
                if (await FailureOfAsync(check, shorter) is { } same)
                    (input, failure) = (shorter, same);
                else
                    start += size;
            }
        }
        return new FuzzingException($"CONCERT_TEST_SEED={seed}, input {count}: {failure.GetType().Name}: {failure.Message}\n"
            + $"input: {Convert.ToBase64String(input)}\n{Encoding.Latin1.GetString(input)}", failure);
    }

    private static async Task<Exception?> FailureOfAsync(Func<byte[], Task> check, byte[] input)
    {
        try
        {
            await check(input);
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return exception;
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

/// <summary>An input that the product treats wrongly.</summary>
public sealed class FuzzingException(string message, Exception inner) : Exception(message, inner);
