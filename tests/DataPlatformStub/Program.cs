using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using ConcertSaga.DataPlatformStub;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var port = new Option<int>("--port") { Description = "The port on loopback; 0 for any that is free.", DefaultValueFactory = _ => 9099 };
var secret = new Option<string[]>("--secret") { Description = "A secret of requests, whsec_ and base64; may be given several times. Without it a new one is made and told." };
var failRate = new Option<double>("--fail-rate") { Description = "The share of requests that fails, 0 to 1." };
var status = new Option<int>("--status") { Description = "The status of those, 300 to 599.", DefaultValueFactory = _ => 503 };
var delay = new Option<string>("--delay") { Description = "How long every answer takes: 5ms, 2s, 00:00:05.", DefaultValueFactory = _ => "0ms" };
var resetRate = new Option<double>("--reset-rate") { Description = "The share of requests whose connection is reset, 0 to 1; half of them are taken all the same." };
var retryAfter = new Option<int?>("--retry-after") { Description = "Seconds in Retry-After of failing answers." };
var asDate = new Option<bool>("--retry-after-as-date") { Description = "Gives Retry-After as a date." };
var remember = new Option<int>("--remember") { Description = "How many events are remembered.", DefaultValueFactory = _ => 100_000 };
var seed = new Option<int?>("--seed") { Description = "Makes the choices of one run those of another." };
var root = new RootCommand("A receiver of signed events on loopback, for development and tests. It remembers what came, and misbehaves on request.")
{
    port, secret, failRate, status, delay, resetRate, retryAfter, asDate, remember, seed
};
foreach (var option in root.Options)
    option.Validators.Add(result =>
    {
        if (!option.AllowMultipleArgumentsPerToken && option != secret && result.IdentifierTokenCount > 1)
            result.AddError($"{option.Name} is given twice.");
    });

root.SetAction(async parsed =>
{
    ReceiverOptions options;
    try
    {
        options = new ReceiverOptions
        {
            Port = Within("port", parsed.GetValue(port), 0, 65535),
            Secrets = parsed.GetValue(secret) is { Length: > 0 } secrets ? secrets : [WebhookSecret.Create()],
            Remembered = Within("remember", parsed.GetValue(remember), 1, 10_000_000),
            Seed = parsed.GetValue(seed),
            Behaviour = new Behaviour
            {
                FailRate = parsed.GetValue(failRate),
                Status = parsed.GetValue(status),
                Delay = Behaviour.ParseDelay(parsed.GetValue(delay)!),
                ResetRate = parsed.GetValue(resetRate),
                RetryAfter = parsed.GetValue(retryAfter),
                RetryAfterAsDate = parsed.GetValue(asDate)
            }.Checked()
        };
        options.Secrets.ToList().ForEach(one => WebhookSecret.KeyOf(one));
    }
    catch (FormatException exception)
    {
        return Refuse(exception.Message);
    }

    try
    {
        await using var receiver = await Receiver.StartAsync(options);
        Console.WriteLine($"Takes events at {receiver.Address}{(parsed.GetValue(secret) is { Length: > 0 } ? "" : $", signed with {options.Secrets[0]}")}.");
        await receiver.WaitForShutdownAsync();
        return 0;
    }
    catch (IOException exception)
    {
        Console.Error.WriteLine($"receiver: {exception.Message.TrimEnd('.')}. Choose another with --port.");
        return 1;
    }
});

var parsed = root.Parse(args);
return parsed.Action is not HelpAction && parsed.Errors.Count > 0
    ? Refuse($"{parsed.Errors[0].Message.ReplaceLineEndings("").TrimEnd('.')}. See --help.")
    : await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static int Refuse(string message)
{
    Console.Error.WriteLine($"receiver: {message}");
    return 2;
}

static int Within(string name, int value, int least, int most) =>
    value >= least && value <= most ? value : throw new FormatException($"{name} is {value}; allowed: {least} to {most}.");
