using ConcertSaga.Shared.Hosting;

namespace ConcertSaga.AllInOne.Tickets;

/// <summary>
/// Runs <c>tickets verify CODE --keys FILE [--revoked FILE]</c> and prints one line. The exit code is 0 for a valid ticket, 2 for one to
/// reject, and 1 if the command could not run.
/// </summary>
internal static class TicketCommand
{
    public const string Name = "tickets";

    private const string Usage = "tickets verify CODE --keys FILE [--revoked FILE]";

    public static async Task<int> RunAsync(string[] args)
    {
        var code = 0;
        var failed = await ServiceHost.GuardAsync(args, async () => code = await VerifyAsync(args));
        return failed != 0 ? failed : code;
    }

    private static async Task<int> VerifyAsync(string[] args)
    {
        if (args is not [Name, "verify", { Length: > 0 } code, ..])
            throw new StartupException($"The command {Name} is incomplete; allowed: {Usage}.");
        string? keys = null, revoked = null;
        for (var i = 3; i < args.Length; i += 2)
        {
            var value = i + 1 < args.Length ? args[i + 1] : throw new StartupException($"'{args[i]}' needs a file; allowed: {Usage}.");
            switch (args[i])
            {
                case "--keys": keys = value; break;
                case "--revoked": revoked = value; break;
                default: throw new StartupException($"'{args[i]}' is not an option of {Name} verify; allowed: {Usage}.");
            }
        }
        var verifier = TicketVerifier.Create(
            Read(keys ?? throw new StartupException($"--keys is missing; allowed: {Usage}.")), revoked is null ? null : Read(revoked));
        var verdict = await verifier.VerifyAsync(code);
        await Console.Out.WriteLineAsync(Printable.Of(verdict.Text));
        return verdict.IsValid ? 0 : 2;
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"'{file}' cannot be read: {exception.Message}");
        }
    }
}
