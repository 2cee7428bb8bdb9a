using System.CommandLine;
using System.CommandLine.Help;

namespace ConcertSaga.DevReceiver;

/// <summary>Runs a receiver from the command line.</summary>
internal static class ReceiverCommand
{
    private static readonly Option<int> Port = new("--port")
    {
        Description = "The port on loopback; 0 chooses a free one.",
        DefaultValueFactory = _ => 9099
    };

    private static readonly Option<bool> AnyAddress = new("--any-address")
    {
        Description = "Listens on all addresses of the machine instead of loopback."
    };

    private static readonly Argument<string> Templates = new("templates")
    {
        Description = "A JSON file: Secrets with their keys and texts, in which {name} stands for a random text."
    };

    private static readonly Option<string[]> Secret = new("--secret")
    {
        Description = "A secret that signs requests: whsec_ and base64. Can be repeated. By default, a new one is created and printed."
    };

    private static readonly Option<double> FailRate = new("--fail-rate") { Description = "The share of requests to reject, 0 to 1." };

    private static readonly Option<int> Status = new("--status")
    {
        Description = "The status of rejected requests, 300 to 599.",
        DefaultValueFactory = _ => 503
    };

    private static readonly Option<string> Delay = new("--delay")
    {
        Description = "The delay of every answer, such as 5ms, 2s or 00:00:05.",
        DefaultValueFactory = _ => "0ms"
    };

    private static readonly Option<double> ResetRate = new("--reset-rate")
    {
        Description = "The share of requests whose connection is reset, 0 to 1. Half of these events are accepted first."
    };

    private static readonly Option<int?> RetryAfter = new("--retry-after") { Description = "The seconds in Retry-After of rejections." };

    private static readonly Option<bool> RetryAfterAsDate = new("--retry-after-as-date") { Description = "Sends Retry-After as a date." };

    private static readonly Option<int> Remember = new("--remember")
    {
        Description = "The number of events to remember.",
        DefaultValueFactory = _ => 100_000
    };

    private static readonly Option<int?> Seed = new("--seed") { Description = "The seed of random choices, to repeat a run." };

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand(
            "Receives signed events on loopback, for development and tests. It remembers events and simulates faults on request.")
        {
            Port, AnyAddress, Secret, FailRate, Status, Delay, ResetRate, RetryAfter, RetryAfterAsDate, Remember, Seed
        };
        foreach (var option in root.Options)
            option.Validators.Add(result =>
            {
                if (!option.AllowMultipleArgumentsPerToken && option != Secret && result.IdentifierTokenCount > 1)
                    result.AddError($"{option.Name} is given twice.");
            });
        root.SetAction(ServeAsync);
        var createSecrets = new Command("create-secrets", "Creates the Secrets of a demo installation inside its Kubernetes cluster.")
        {
            Templates
        };
        createSecrets.SetAction(CreateSecretsAsync);
        root.Subcommands.Add(createSecrets);
        var parsed = root.Parse(args);
        return parsed.Action is not HelpAction && parsed.Errors.Count > 0
            ? Refuse($"{parsed.Errors[0].Message.ReplaceLineEndings("").TrimEnd('.')}. See --help.")
            : await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static async Task<int> ServeAsync(ParseResult parsed)
    {
        ReceiverOptions options;
        try
        {
            options = Read(parsed);
        }
        catch (FormatException exception)
        {
            return Refuse(exception.Message);
        }

        try
        {
            await using var receiver = await Receiver.StartAsync(options);
            var created = parsed.GetValue(Secret) is { Length: > 0 } ? "" : $", signed with {options.Secrets[0]}";
            Console.WriteLine($"Accepts events at {receiver.Address}{created}.");
            await receiver.WaitForShutdownAsync();
            return 0;
        }
        catch (IOException exception)
        {
            Console.Error.WriteLine($"receiver: {exception.Message.TrimEnd('.')}. Choose another with --port.");
            return 1;
        }
    }

    private static async Task<int> CreateSecretsAsync(ParseResult parsed)
    {
        try
        {
            await ClusterSecrets.CreateAsync(parsed.GetValue(Templates)!);
            return 0;
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or System.Text.Json.JsonException)
        {
            Console.Error.WriteLine($"receiver: {exception.Message.ReplaceLineEndings(" ")}");
            return 1;
        }
    }

    private static ReceiverOptions Read(ParseResult parsed)
    {
        var options = new ReceiverOptions
        {
            StopsOnSignals = true,
            Port = Within("port", parsed.GetValue(Port), 0, 65535),
            IsOpen = parsed.GetValue(AnyAddress),
            Secrets = parsed.GetValue(Secret) is { Length: > 0 } secrets ? secrets : [WebhookSecret.Create()],
            Remembered = Within("remember", parsed.GetValue(Remember), 1, 10_000_000),
            Seed = parsed.GetValue(Seed),
            Behaviour = new Behaviour
            {
                FailRate = parsed.GetValue(FailRate),
                Status = parsed.GetValue(Status),
                Delay = Behaviour.ParseDelay(parsed.GetValue(Delay)!),
                ResetRate = parsed.GetValue(ResetRate),
                RetryAfter = parsed.GetValue(RetryAfter),
                RetryAfterAsDate = parsed.GetValue(RetryAfterAsDate)
            }.Checked()
        };
        foreach (var given in options.Secrets)
            WebhookSecret.KeyOf(given);
        return options;
    }

    private static int Refuse(string message)
    {
        Console.Error.WriteLine($"receiver: {message}");
        return 2;
    }

    private static int Within(string name, int value, int min, int max) =>
        value >= min && value <= max ? value : throw new FormatException($"{name} is {value}; allowed: {min} to {max}.");
}
