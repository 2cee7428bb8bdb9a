using Xunit;

namespace ConcertSaga.Architecture.Tests;

internal static class Rule
{
    /// <summary>Fails with every exception to the rule, each on a line of its own and in full.</summary>
    public static void HasNoExceptions(IEnumerable<string> exceptions)
    {
        var all = exceptions.ToList();
        if (all.Count > 0)
            Assert.Fail(string.Join('\n', all));
    }
}
