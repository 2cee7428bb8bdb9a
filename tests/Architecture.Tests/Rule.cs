using Xunit;

namespace ConcertSaga.Architecture.Tests;

internal static class Rule
{
    /// <summary>Fails with a list of all exceptions to the rule.</summary>
    public static void HasNoExceptions(IEnumerable<string> exceptions)
    {
        var all = exceptions.ToList();
        if (all.Count > 0)
            Assert.Fail(string.Join('\n', all));
    }
}
