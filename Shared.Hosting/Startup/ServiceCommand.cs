namespace ConcertSaga.Shared.Hosting;

/// <summary>Something a service's program does instead of serving, after which it ends.</summary>
/// <param name="Name">The first argument.</param>
/// <param name="Usage">How it is called, for messages.</param>
/// <param name="Flags">Arguments of its own that begin with dashes and have no value.</param>
/// <param name="RunAsync">Does it, with its own arguments and the services of the process, and tells the exit code.</param>
public sealed record ServiceCommand(
    string Name, string Usage, IReadOnlyList<string> Flags, Func<IServiceProvider, IReadOnlyList<string>, CancellationToken, Task<int>> RunAsync)
{
    /// <summary>Takes what is the command's own out of the arguments: what follows its name up to the first dash, and its flags anywhere.</summary>
    internal string[] TakeArguments(ref string[] args)
    {
        string[] operands = [.. args.Skip(1).TakeWhile(argument => !argument.StartsWith('-') || Flags.Contains(argument))];
        string[] rest = [.. args.Skip(1 + operands.Length)];
        string[] own = [.. operands, .. rest.Where(Flags.Contains)];
        args = [args[0], .. rest.Where(argument => !Flags.Contains(argument))];
        return own;
    }
}
