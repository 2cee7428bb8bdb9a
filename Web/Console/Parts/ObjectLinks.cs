namespace ConcertSaga.OperatorConsole.Parts;

/// <summary>The pages of objects that services name as <c>kind/id</c>.</summary>
public static class ObjectLinks
{
    /// <summary>The page of an object; null if it has none.</summary>
    public static string? Of(string target) => target.Split('/', 2) switch
    {
        ["deliveries", "destination"] => "/ops/deliveries",
        ["reservations" or "deliveries" or "failed-messages" or "operations" or "schedules" or "waiting-rooms", _] => $"/ops/{target}",
        ["accounts" or "customers", var user] => $"/ops/customers?userId={Uri.EscapeDataString(user)}",
        ["invariants", _] => "/ops/invariants",
        _ => null
    };
}
