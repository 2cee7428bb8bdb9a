namespace ConcertSaga.Testing.Servers;

/// <summary>A test needs a server that cannot start on this machine. xUnit reports the test as skipped.</summary>
public sealed class MissingServerException(string reason) : Exception(Skip + reason)
{
    // xUnit recognises a skip by this prefix, so this project needs no reference to xUnit.
    private const string Skip = "$XunitDynamicSkip$";

    /// <summary>The missing server and how to install it.</summary>
    public string Reason => reason;
}
