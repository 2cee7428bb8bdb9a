namespace ConcertSaga.Shared.Hosting;

/// <summary>A command that a service's program runs instead of serving.</summary>
/// <param name="Name">The first argument on the command line.</param>
/// <param name="Usage">The usage, for messages.</param>
/// <param name="Flags">The command's own arguments that begin with dashes and have no value.</param>
/// <param name="RunAsync">Runs the command with its own arguments and the services of the process, and returns the exit code.</param>
public sealed record ServiceCommand(
    string Name, string Usage, IReadOnlyList<string> Flags, Func<IServiceProvider, IReadOnlyList<string>, CancellationToken,
        Task<int>> RunAsync)
{
    /// <summary>
    /// Removes the command's own arguments from the command line and returns them: everything up to the first foreign dash, and its flags
    /// anywhere.
    /// </summary>
    internal string[] TakeArguments(ref string[] args)
    {
        string[] operands = [.. args.Skip(1).TakeWhile(argument => !argument.StartsWith('-') || Flags.Contains(argument))];
        string[] rest = [.. args.Skip(1 + operands.Length)];
        string[] own = [.. operands, .. rest.Where(Flags.Contains)];
        args = [args[0], .. rest.Where(argument => !Flags.Contains(argument))];
        return own;
    }
}
